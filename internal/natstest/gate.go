package natstest

import (
	"testing"

	"github.com/zarafa/presence/internal/netgate"
)

// Gate is a way to the server that can be shut: who uses it is cut off, and the others are not.
type Gate struct {
	*netgate.Gate
	server *Server
}

// Gate opens a gate to the server. It ends with the test.
func (s *Server) Gate(t testing.TB) *Gate {
	t.Helper()
	return &Gate{Gate: netgate.Open(t, s.Addr), server: s}
}

// URL is what a client connects to that goes through the gate.
func (g *Gate) URL() string { return g.server.cluster.options.Scheme + "://" + g.Addr() }

// ServerURL is what a client connects to that does not go through the gate.
func (g *Gate) ServerURL() string { return g.server.URL() }
