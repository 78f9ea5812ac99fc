package natstest

import (
	"testing"

	"github.com/zarafa/presence/internal/faultproxy"
)

// Proxy is a way to the server that can fail: who uses it is cut off, and the others are not.
type Proxy struct {
	*faultproxy.Proxy
	server *Server
}

// Proxy starts a proxy in front of the server. It ends with the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	return &Proxy{Proxy: faultproxy.Start(t, s.Addr), server: s}
}

// URL is what a client connects to that goes through the proxy.
func (p *Proxy) URL() string { return p.server.cluster.options.Scheme + "://" + p.Addr() }

// ServerURL is what a client connects to that does not go through the proxy.
func (p *Proxy) ServerURL() string { return p.server.URL() }
