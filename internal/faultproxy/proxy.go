// Package faultproxy is a TCP proxy in front of a server that fails when a test wants it to: it cuts connections, loses what the server
// answers, or is slow. The tests of the NATS journal, of sources and of the browser's client use it.
package faultproxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy carries what clients and the server say. Its methods may be called concurrently.
type Proxy struct {
	server   string
	listener net.Listener
	running  sync.WaitGroup

	mute atomic.Bool  // the server's answers are lost
	slow atomic.Int64 // nanoseconds before each piece of what the server answers

	mu    sync.Mutex
	cut   bool
	conns []net.Conn // all that there were: to close one again does nothing
}

// Start starts a proxy in front of a server's address. It ends with the test.
func Start(t testing.TB, server string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: server, listener: listener}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Addr is what a client connects to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut ends all connections, and lets no new ones through until Restore.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	p.closeAll()
}

func (p *Proxy) closeAll() {
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// LoseAnswers loses everything that the server says from now on until Restore. What clients say still arrives.
func (p *Proxy) LoseAnswers() { p.mute.Store(true) }

// pieceOfSlow is how many bytes come at once on a slow line.
const pieceOfSlow = 200

// Slow has what the server says come in small pieces, with a pause before each, from now on. Slow(0) ends that.
func (p *Proxy) Slow(pause time.Duration) { p.slow.Store(int64(pause)) }

// Restore undoes Cut and LoseAnswers. Connections whose answers were lost end, because what comes next would make no sense.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mute.Load() {
		p.closeAll()
	}
	p.cut = false
	p.mute.Store(false)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// serve carries what a client and the server say until one of them ends the connection, or it is cut.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.add(client, server) {
		return
	}
	p.running.Go(func() {
		_, _ = io.Copy(answerWriter{p, client}, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
}

// answerWriter writes the server's answers to a client, unless they are to be lost.
type answerWriter struct {
	*Proxy
	client net.Conn
}

func (w answerWriter) Write(b []byte) (written int, err error) {
	for err == nil && written < len(b) {
		piece := b[written:]
		if pause := time.Duration(w.slow.Load()); pause > 0 {
			time.Sleep(pause)
			piece = piece[:min(len(piece), pieceOfSlow)]
		}
		n := len(piece)
		if !w.mute.Load() {
			n, err = w.client.Write(piece)
		}
		written += n
	}
	return written, err
}

// add notes connections, and reports whether they may be used.
func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conns...)
	return !p.cut
}
