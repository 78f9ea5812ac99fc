// Package netgate is a way to a server that a test can shut, as if a cable were pulled. The tests of the NATS store and of the browser's client
// use it.
package netgate

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Gate is a way to a server that can be shut: who uses it is cut off, and the others are not.
type Gate struct {
	server   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]struct{}
}

// Open opens a gate to a server's address. It ends with the test.
func Open(t testing.TB, server string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{server: server, listener: listener, conns: map[net.Conn]struct{}{}}
	g.running.Go(g.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		g.Shut()
		g.running.Wait()
	})
	return g
}

// Addr is what a client connects to that goes through the gate.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Shut ends all connections through the gate, and lets no new ones through.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for conn := range g.conns {
		_ = conn.Close()
	}
}

// Open undoes Shut.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

func (g *Gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.running.Go(func() { g.pass(client) })
	}
}

// pass carries what a client and the server say until one of them ends the connection, or the gate is shut.
func (g *Gate) pass(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", g.server)
	if err != nil {
		return
	}
	defer server.Close()
	defer g.leave(client, server)
	if !g.enter(client, server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

func (g *Gate) enter(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		g.conns[conn] = struct{}{}
	}
	return !g.shut
}

func (g *Gate) leave(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		delete(g.conns, conn)
	}
}
