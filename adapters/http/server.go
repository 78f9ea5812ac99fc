// Package http is the original HTTP API: one path, whose GET asks who is available, whose PUT sets it, and whose POST does
// both. docs/http.md describes it for clients. The daemon's wiring starts and stops a Server; its requests go to ports.Presence.
//
// Fiber routes the requests and fasthttp below it reads and writes them; both are bent where they are too lenient (see gate.go) or
// would let a stuck client delay the end (see conn.go).
package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/ports"
)

const (
	// MaxBody is the largest body of a request, in bytes.
	MaxBody = 1 << 20

	// maxHeader is the largest header of a request, in bytes. It is also the size of each connection's read buffer.
	maxHeader = 8 << 10

	// grace is how long Stop lets requests that have begun come to their end.
	grace = 700 * time.Millisecond

	// farewell is how long Stop then waits for the connections it has closed.
	farewell = 500 * time.Millisecond
)

// Server serves the API. Its methods may be called concurrently.
type Server struct {
	cfg       Config
	presence  ports.Presence
	feed      ports.Feed
	sources   ports.Sources
	readiness ports.Readiness
	tokens    ports.Tokens
	log       *slog.Logger
	refusals  *refusals
	lists     *lists
	cors      *cors
	hub       *events.Hub

	http *fasthttp.Server
	next fasthttp.RequestHandler // Fiber's router

	ctx      context.Context //nolint:containedctx // of all requests, for fasthttp has none: it ends when Stop's patience does
	cancel   context.CancelFunc
	stopping atomic.Bool
	running  sync.WaitGroup // accepting, and each connection

	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
}

// New makes a server that does not listen yet. Until readiness says that it can, it answers no request but with 503.
func New(cfg Config, presence ports.Presence, feed ports.Feed, sources ports.Sources, readiness ports.Readiness, tokens ports.Tokens, log *slog.Logger) *Server {
	s := &Server{
		cfg:       cfg,
		presence:  presence,
		feed:      feed,
		sources:   sources,
		readiness: readiness,
		tokens:    tokens,
		log:       log,
		refusals:  newRefusals(log),
		lists:     newLists(),
		cors:      newCORS(cfg.CORSOrigins),
		hub:       events.New(events.DefaultSettings(), feed, log),
		conns:     make(map[*conn]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	app := newApp(cfg, problemOfRoute)
	s.route(app)
	s.next = app.Handler()
	s.http = tune(app.Server(), cfg)
	s.http.Handler = s.handle
	s.http.ErrorHandler = s.refuseUnread
	return s
}

// route tells the router everything that there is. internal/web/static/openapi.json describes it to clients.
func (s *Server) route(app *fiber.App) {
	app.Add(fiber.MethodGet, "/", func(c *fiber.Ctx) error { return s.query(c.Context()) })
	app.Add(fiber.MethodPut, "/", func(c *fiber.Ctx) error { return s.update(c.Context()) })
	app.Add(fiber.MethodPost, "/", func(c *fiber.Ctx) error { return s.updateAndQuery(c.Context()) })
	addPages(app)
	s.routeEvents(app)
	s.addV1(app)
}

// newApp makes Fiber as the server and its benchmarks use it.
func newApp(cfg Config, onError fiber.ErrorHandler) *fiber.App {
	return fiber.New(fiber.Config{
		BodyLimit:                    MaxBody,
		ReadBufferSize:               maxHeader,
		Concurrency:                  math.MaxInt32, // Server.accept counts
		ReadTimeout:                  cfg.HeaderTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		DisableStartupMessage:        true,
		DisableDefaultContentType:    true,
		DisablePreParseMultipartForm: true,
		StrictRouting:                true,
		CaseSensitive:                true,
		ErrorHandler:                 onError,
	})
}

// prompt is a body that arrives together with its header, usually.
const prompt = 4 << 10

// tune sets what Fiber does not pass on to fasthttp.
func tune(server *fasthttp.Server, cfg Config) *fasthttp.Server {
	server.SecureErrorLogMessage = true
	server.KeepHijackedConns = true
	server.ConnState = func(c net.Conn, state fasthttp.ConnState) {
		if c, ok := c.(*conn); ok {
			c.note(state)
		}
	}
	server.HeaderReceived = func(header *fasthttp.RequestHeader) (config fasthttp.RequestConfig) {
		if n := header.ContentLength(); n > prompt || n == -1 { // a short one is covered by the header's time-out
			config.ReadTimeout = cfg.ReadTimeout
		}
		return config
	}
	return server
}

// Start listens and returns; requests are served from then on, until Stop. A server can be started once.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.stopping.Load() {
		return errors.New("the HTTP server was started already")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return listenError(s.cfg.Listen, err)
	}
	s.listener = listener
	s.running.Go(func() { s.accept(listener) })
	s.log.Info("listening", "url", "http://"+listener.Addr().String()+"/")
	return nil
}

func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("http.listen: %s is taken by another program: %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("http.listen: this user may not listen on %s; a port below 1024 needs CAP_NET_BIND_SERVICE: %w", address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("http.listen: %s is not an address of this machine: %w", address, err)
	}
	return fmt.Errorf("http.listen: %w", err)
}

// Addr returns the address that the server listens on, or nil before Start. It tells the port if the configured one was 0.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Stop takes no more connections, lets the requests that have begun come to their end, for less than a second or until ctx
// ends, and closes what is left. It returns within 1.2 seconds whatever the clients do, with an error only if a request's
// use case did not return then. Stopping again, or what was never started, does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close() // fails if it is closed already
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.hub.Stop()
		s.running.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	s.drain(ctx, ended)
	s.cancel()
	s.closeConns(func(*conn) bool { return true })
	select {
	case <-ended:
		return nil
	case <-time.After(farewell):
		return errors.New("a request did not end in time")
	}
}

// drain closes connections as soon as they have no request in progress, until there are none or ctx ends.
func (s *Server) drain(ctx context.Context, ended <-chan struct{}) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		s.closeConns(func(c *conn) bool { return !c.busy.Load() })
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

func (s *Server) closeConns(which func(*conn) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if which(c) {
			c.abort()
		}
	}
}

// accept serves every connection in a goroutine of its own, until the listener is closed.
func (s *Server) accept(listener net.Listener) {
	const first, longest = 5 * time.Millisecond, time.Second
	pause := first
	for {
		c, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, as a rule: others will be closed
			s.log.Warn("cannot accept a connection", "error", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return
			}
			pause = min(2*pause, longest)
			continue
		}
		pause = first
		s.serve(c)
	}
}

func (s *Server) serve(raw net.Conn) {
	c := &conn{Conn: raw, slack: s.cfg.slack()}
	s.mu.Lock()
	full := len(s.conns) >= s.cfg.MaxConnections
	if !full {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.refusals.note(fasthttp.StatusServiceUnavailable, errFull.Error(), raw.RemoteAddr())
		turnAway(raw)
		return
	}
	s.running.Go(func() {
		_ = s.http.ServeConn(c) // what can go wrong is the client's affair, which was told
		c.release()
		if c.stream == nil {
			s.forget(c)
			return
		}
		s.running.Go(func() { // a new goroutine, for this one's stack has become large
			defer s.forget(c)
			s.handOver(c)
		})
	})
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// methods are those that the API has.
var methods = []string{fiber.MethodGet, fiber.MethodPut, fiber.MethodPost}

// routable are the methods that Fiber's router knows.
var routable = slices.Clone(fiber.DefaultMethods)
