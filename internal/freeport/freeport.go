// Package freeport finds ports for servers that cannot find one themselves, and keeps them while such a server is down. The tests that run real
// servers use it, and the demo.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// TB is what is needed of a test.
type TB interface {
	Helper()
	Cleanup(end func())
	Fatalf(format string, args ...any)
}

// The ports to choose from are below those that the system gives to connections by itself, any of which may take one before the server does.
const (
	lowest = 15_000
	number = 17_000
)

// Take returns a port of 127.0.0.1 on which nothing listens, and which is given to nobody else until the test has ended: in no process of this
// machine, as tests of several packages run at the same time. It may be called concurrently.
func Take(t TB) int {
	t.Helper()
	for range 1000 {
		port := lowest + rand.N(number)
		if keep(t, port) && free(port) {
			return port
		}
	}
	t.Fatalf("no port of 127.0.0.1 from %d to %d is free", lowest, lowest+number-1)
	return 0
}

// Address is Take with the address, for what is told where to listen or, if nothing ever does, where not to find anybody.
func Address(t TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Take(t))
}

// keep takes a name that stands for a port, and reports whether nobody had it. A name of Linux's abstract sockets is free again when its process
// has ended, however that was.
func keep(t TB, port int) bool {
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
