package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/certificate"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/listen"
)

// listening is the part of a server that listens.
type listening struct {
	mu          sync.Mutex
	listeners   []net.Listener       // empty before Start
	certificate *certificate.Current // nil without TLS; stays the same while requests are served

	watching sync.WaitGroup // the certificate's files
	unwatch  context.CancelFunc
}

// Start listens and returns; requests are served from then on, until Stop. A server can be started once. It listens on the sockets that systemd
// passes to this process; if there are none, on the configured address.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) > 0 || s.stopping.Load() {
		return errors.New("the HTTP server was started already")
	}
	secure, err := s.readCertificate()
	if err != nil {
		return err
	}
	if s.listeners, err = s.listen(ctx); err != nil {
		return err
	}
	if secure != nil {
		watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
		s.unwatch = cancel
		s.watching.Go(func() { s.certificate.Watch(watched) })
	}
	for _, listener := range s.listeners {
		s.conns.Accept(listener, secure)
		s.log.Info("listening", "url", s.urlOf(listener))
	}
	return nil
}

// listen opens what to listen on.
func (s *Server) listen(ctx context.Context) ([]net.Listener, error) {
	passed, err := listen.TakePassed()
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	if len(passed.Admin) > 0 && s.cfg.AdminListen == "" {
		passed.Close()
		return nil, errors.New("http.listen: systemd has passed a socket with FileDescriptorName=admin, which needs http.admin_listen to be set")
	}
	listeners, err := s.listenForClients(ctx, passed.HTTP)
	if err == nil {
		err = s.operations.start(ctx, s.cfg.SocketMode, passed.Admin)
	}
	if err != nil {
		for _, listener := range listeners {
			_ = listener.Close() // nobody has used it
		}
		return nil, err
	}
	return listeners, nil
}

func (s *Server) listenForClients(ctx context.Context, passed []net.Listener) ([]net.Listener, error) {
	if len(passed) > 0 {
		return passed, nil
	}
	listener, err := openListener(ctx, s.cfg.Listen, s.cfg.SocketMode)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	return []net.Listener{listener}, nil
}

// openListener listens on an address of the configuration.
func openListener(ctx context.Context, at, socketMode string) (net.Listener, error) {
	address, err := listen.Parse(at)
	if err != nil {
		return nil, err
	}
	mode, err := listen.ParseMode(socketMode)
	if err != nil {
		return nil, fmt.Errorf("http.socket_mode: %w", err)
	}
	return listen.Open(ctx, address, mode)
}

// readCertificate returns how connections get TLS, or nil if they do not.
func (s *Server) readCertificate() (func() *tls.Config, error) {
	files := s.cfg.tlsFiles()
	if !files.On() {
		return nil, nil
	}
	current, err := certificate.Read(files, s.log)
	if err != nil {
		return nil, err
	}
	s.certificate = current
	return current.Config, nil
}

// PrepareTLS reads the files of TLS that a configuration names, now. What it returns puts them into use, instead of those that were named before. It
// fails if it cannot use them, and if there was no TLS, or is to be none any more, which takes another start. Connections keep what they have. It may be
// called while requests run. Even without it changed files are read after some seconds.
func (s *Server) PrepareTLS(cfg Config) (apply func(), err error) {
	s.mu.Lock()
	current := s.certificate
	s.mu.Unlock()
	files := cfg.tlsFiles()
	switch {
	case current != nil:
		return current.Prepare(files)
	case files.On():
		return nil, certificate.ErrTurned
	}
	return func() {}, nil
}

// hsts tells browsers to use this host with TLS only, for a year (RFC 6797).
var hsts = []byte("max-age=31536000")

// demandTLS sets the header that keeps a browser from coming back without TLS, if it came with it.
func (s *Server) demandTLS(ctx *fasthttp.RequestCtx) {
	if s.certificate != nil && conn.Secure(ctx) {
		ctx.Response.Header.SetBytesV(fasthttp.HeaderStrictTransportSecurity, hsts)
	}
}

// AdminAddr returns the first address for operators, or nil if there is none, or before Start.
func (s *Server) AdminAddr() net.Addr { return s.operations.addr() }

// Addr returns the address that the server listens on, or nil before Start. It tells the port if the configured one was 0. If there are several it is
// the first.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 {
		return nil
	}
	return s.listeners[0].Addr()
}

// URL returns where the server is to be found from this machine: http://host:port/, or https, or unix: and a path. It is empty before Start, and if
// that has failed.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 {
		return ""
	}
	return listen.AddressOf(s.listeners[0].Addr()).URL(s.certificate != nil)
}

func (s *Server) urlOf(listener net.Listener) string {
	if address := listen.AddressOf(listener.Addr()); address.Network == listen.Unix {
		return address.URL(false)
	}
	if s.certificate != nil {
		return "https://" + listener.Addr().String() + "/"
	}
	return "http://" + listener.Addr().String() + "/"
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, listener := range s.listeners {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("cannot remove the socket", "err", err)
		}
	}
	if s.unwatch != nil {
		s.unwatch()
		s.watching.Wait()
	}
}
