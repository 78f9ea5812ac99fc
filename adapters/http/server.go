// Package http serves the original HTTP API, API v1 with its event stream, and the pages. docs/http.md describes all of it for clients.
//
// routes.go says which handler serves what, and errors.go which status stands for which error. The handlers are in internal: legacy, v1,
// events and pages. Fiber routes the requests, and fasthttp below it reads and writes them; internal/conn looks after what both leave open.
package http

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/adapters/http/internal/legacy"
	"github.com/zarafa/presence/adapters/http/internal/pages"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	// MaxBody is the largest body of a request, in bytes.
	MaxBody = body.Max
)

// Server serves the APIs and the pages. Its methods may be called concurrently.
type Server struct {
	cfg       Config // what only a start can change
	readiness ports.Readiness
	log       *slog.Logger
	refusals  refusals
	refused   reasons
	measures  []*requests // of each route, and unroutedRequests
	origins   origins
	current   atomic.Pointer[current]

	legacy *legacy.API
	v1     *v1.API
	events *events.API
	hub    *events.Hub
	pages  *pages.Pages
	routes []route

	operations *operations

	unroutedRequests *requests

	bodies *body.Reader
	next   fasthttp.RequestHandler // Fiber's router
	conns  *conn.Group

	access   atomic.Pointer[slog.Logger] // of all requests; nil: none
	stopping atomic.Bool

	listening
}

// current is what a configuration says that requests are served by. It does not change.
type current struct {
	cors   v1.CORS
	limits conn.Limits
}

// New makes a server that does not listen yet. Until readiness says that it can, it answers no request but with 503, apart from those about the
// daemon itself.
func New(cfg Config, about Operations,
	presence ports.Presence, feed ports.Feed, directory ports.Directory, sources ports.Sources, backup ports.Backup,
	readiness ports.Readiness, tokens ports.Tokens, clock ports.Clock, log *slog.Logger,
) *Server {
	s := &Server{
		cfg: cfg, readiness: readiness, log: log, refusals: refusals{log: log}, refused: newReasons(), origins: origins{log: log},
		operations: newOperations(cfg.AdminListen, about, log),
	}
	s.unroutedRequests = &requests{method: unroutedPath, route: unroutedPath}
	s.measures = []*requests{s.unroutedRequests}
	s.hub = events.New(events.DefaultSettings(), feed, directory, log)
	app := newApp(cfg, s.onError)
	s.bodies = body.NewReader(int64(cfg.MaxBodies))
	s.conns = conn.NewGroup(s.newServer(cfg), cfg.limits(), s.turnAway, log)
	s.legacy = legacy.New(s.conns.Context(), s.bodies, presence, feed, tokens, clock)
	s.events = events.NewAPI(s.hub, s.bodies, events.Quota{}, tokens)
	s.v1 = v1.New(s.conns.Context(), s.bodies, presence, feed, directory, sources, backup, tokens)
	s.pages = pages.New()
	s.routes = s.allRoutes()
	for _, r := range s.routes {
		app.Add(r.method, r.path, s.measured(r))
	}
	s.next = app.Handler()
	s.Configure(cfg)
	return s
}

// Renew has the states of all users told anew to the event streams: they are unified by other rules now.
func (s *Server) Renew() { s.hub.Renew() }

// Regroup has the states of all members told anew to the event streams about some groups: these have other members now.
func (s *Server) Regroup(groups []string) { s.hub.Regroup(groups) }

// RecheckKeys ends the event streams of static keys that may not ask about their users any more, because the groups have changed.
func (s *Server) RecheckKeys() { s.hub.RecheckKeys() }

// Provider is the OpenID provider by which people sign in, as a page has to know it.
type Provider = v1.Provider

// SignInBy says what tells by which provider people sign in on the board, if by any. It may be called while requests are served.
func (s *Server) SignInBy(provider func() (Provider, bool)) {
	s.v1.SignInBy(provider)
	s.pages.FetchTokensAt(func() string { p, _ := provider(); return p.Origin() })
}

// Offer says which entries people can pick their status from. There are none before. It may be called while requests are served.
func (s *Server) Offer(entries []domain.StatusEntry) { s.v1.Offer(entries) }

// newServer makes what reads and writes the requests of connections. Fiber's settings for it are per server, so that a reload makes another one; all
// of them have the same router.
func (s *Server) newServer(cfg Config) *fasthttp.Server {
	server := newApp(cfg, s.onError).Server()
	server.StreamRequestBody = true // handlers read bodies, by package body
	server.Handler, server.ErrorHandler = s.handle, s.refuseUnread
	return server
}

// Configure puts a valid configuration into effect, but for what only a start can change. Connections that are there keep their time-outs and the
// size of their headers; everything else holds for them, too. Streams end that the rules for tokens do not allow any more, so those are to be
// changed before.
func (s *Server) Configure(cfg Config) {
	limits := cfg.limits()
	s.current.Store(&current{cors: v1.CORS(cfg.CORSOrigins), limits: limits})
	s.bodies.SetLimit(int64(cfg.MaxBodies))
	s.legacy.Configure(int64(cfg.MaxAnswer))
	s.v1.Configure(int64(cfg.MaxAnswer), cfg.WriteTimeout)
	s.pages.Configure(cfg.FrameAncestors)
	s.events.Configure(events.Quota{Streams: cfg.MaxStreamsPerUser, Watched: cfg.MaxWatchedPerUser})
	s.conns.Configure(s.newServer(cfg), limits)
	s.hub.Recheck()
}

// newApp makes Fiber as the server and its benchmarks use it.
func newApp(cfg Config, onError fiber.ErrorHandler) *fiber.App {
	app := fiber.New(fiber.Config{
		BodyLimit:                    MaxBody,
		ReadBufferSize:               int(cfg.MaxHeader),
		Concurrency:                  math.MaxInt32, // conn.Group counts
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
	conn.Tune(app.Server(), cfg.ReadTimeout)
	return app
}

// handle is every request's way in.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	requestID, invalid := conn.Validate(&ctx.Request.Header)
	conn.Begin(ctx, requestID, ctx.Time())
	s.serve(ctx, invalid)
	s.noteAccess(ctx)
}

// serve answers a request, which is not to be trusted any further if it is invalid for a reason.
func (s *Server) serve(ctx *fasthttp.RequestCtx, invalid string) {
	defer s.recover(ctx)
	if s.stopping.Load() {
		ctx.SetConnectionClose()
	}
	s.demandTLS(ctx)
	if invalid != "" {
		s.refuseAndClose(ctx, fmt.Errorf("%w: %s", errBadHTTP, invalid))
		s.unroutedRequests.note(ctx)
		return
	}
	if err := s.admit(ctx); err != nil {
		s.refuse(ctx, err)
		s.unroutedRequests.note(ctx)
	}
}

// admit hands a request to the router, or returns why it does not.
func (s *Server) admit(ctx *fasthttp.RequestCtx) error {
	if done, err := s.current.Load().cors.Handle(ctx); done || err != nil {
		return err
	}
	if err := s.readiness.Ready(); err != nil && !s.operations.serves(ctx) {
		return err
	}
	if !slices.Contains(fiber.DefaultMethods, string(ctx.Method())) { // Fiber would answer with 400, whatever the path
		ctx.SetConnectionClose() // a body of such a request may not have been read
		return s.unrouted(ctx)
	}
	s.next(ctx)
	return nil
}

// recover keeps a fault in the handling of one request from ending the daemon.
func (s *Server) recover(ctx *fasthttp.RequestCtx) {
	fault := recover()
	if fault == nil {
		return
	}
	s.log.Error("a request made the server panic", "panic", fault, "request_id", conn.RequestID(ctx), "stack", string(debug.Stack()))
	ctx.Response.Reset()
	s.refuseAndClose(ctx, errPanic)
	s.unroutedRequests.note(ctx)
}

// refuseUnread answers a request that could not be read to its end. fasthttp closes the connection afterwards.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	conn.Begin(ctx, nil, time.Now())
	defer s.noteAccess(ctx)
	s.refuseAndClose(ctx, fmt.Errorf("%w: %w", problem.ErrUnread, err))
}

// refuseAndClose refuses a request after which it is in doubt where the next one begins.
func (s *Server) refuseAndClose(ctx *fasthttp.RequestCtx, err error) {
	s.refuse(ctx, err)
	ctx.SetConnectionClose()
	conn.Linger(ctx)
}

// Stop takes no more connections, lets the requests that have begun come to their end, for less than a second or until ctx
// ends, and closes what is left. It returns within 1.2 seconds whatever the clients do, with an error only if a request's
// use case did not return then. Stopping again, or what was never started, does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Store(true)
	s.closeListeners()
	var hub sync.WaitGroup
	hub.Go(s.hub.Stop)
	defer hub.Wait()
	defer s.refusals.summarize()
	defer s.operations.stop()
	return s.conns.Stop(ctx)
}
