// Package freeport reserves ports for servers that cannot choose one themselves, and keeps the reservation while the server is down. Tests
// with real servers and the demo use it.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Cleanup(end func())
	Fatalf(format string, args ...any)
}

// The ports are below the system's ephemeral range: an outgoing connection could take one of those before the server does.
const (
	lowest = 15_000
	number = 17_000
)

// Take reserves a port of 127.0.0.1 on which nothing listens. Until the test ends no process of this machine gets it from Take again: tests of
// several packages run at the same time. It may be called concurrently.
func Take(t TB) int {
	t.Helper()
	for range 1000 {
		port := lowest + rand.N(number)
		if reserve(t, port) && free(port) {
			return port
		}
	}
	t.Fatalf("no port of 127.0.0.1 from %d to %d is free", lowest, lowest+number-1)
	return 0
}

// Address reserves a port like Take and returns 127.0.0.1:port: for a server to listen on, or for a client to find nobody there.
func Address(t TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Take(t))
}

// reserve takes an abstract Unix socket that stands for the port, and reports whether it was free. Linux frees an abstract socket when its
// process ends for any reason.
func reserve(t TB, port int) bool {
	name, err := net.Listen("unix", fmt.Sprintf("@zarafa-presence/port/%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { _ = name.Close() })
	return true
}

func free(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
