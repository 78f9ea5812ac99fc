package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/listen"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/ports"
)

// Operations is what the server tells operators and their tools of the daemon itself. It needs no token, and tells of no user.
type Operations struct {
	Health  ports.Health
	Metrics nethttp.Handler // whatever the server of metrics understands
}

// The paths about the daemon itself.
const (
	pathLive    = "/livez"
	pathReady   = "/readyz"
	pathMetrics = "/metrics"
)

// operations serves what is about the daemon itself: with the APIs, or on a listener of its own, which has pprof too.
type operations struct {
	Operations
	listen string // empty: with the APIs
	log    *slog.Logger

	mu        sync.Mutex
	listeners []net.Listener // empty before start
	server    *nethttp.Server
	serving   sync.WaitGroup
}

func newOperations(listen string, about Operations, log *slog.Logger) *operations {
	return &operations{Operations: about, listen: listen, log: log}
}

// handlers returns what serves which path.
func (o *operations) handlers() map[string]nethttp.Handler {
	return map[string]nethttp.Handler{
		pathLive:    nethttp.HandlerFunc(live),
		pathReady:   nethttp.HandlerFunc(o.ready),
		pathMetrics: o.Metrics,
	}
}

// live answers that the process answers.
func live(w nethttp.ResponseWriter, _ *nethttp.Request) { say(w, nethttp.StatusOK, "ok\n") }

// ready answers whether the daemon should be given requests. With ?verbose it lists the states of its parts, without the texts of errors.
func (o *operations) ready(w nethttp.ResponseWriter, r *nethttp.Request) {
	status, text := nethttp.StatusOK, "ready\n"
	if !o.Health.Ready() {
		status, text = nethttp.StatusServiceUnavailable, "not ready\n"
	}
	if r.URL.Query().Has("verbose") {
		var all strings.Builder
		for _, part := range o.Health.States() {
			all.WriteString(part.Part + ": " + part.State + "\n")
		}
		text = all.String() + text
	}
	say(w, status, text)
}

func say(w nethttp.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	header.Set(fiber.HeaderCacheControl, "no-store")
	header.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if status == nethttp.StatusServiceUnavailable {
		header.Set(fiber.HeaderRetryAfter, retryAfter)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client has gone
}

// routes returns the routes of the APIs' listener.
func (o *operations) routes() (all []route) {
	if o.listen != "" {
		return nil
	}
	for path, handler := range o.handlers() {
		all = append(all, route{fiber.MethodGet, path, adapted(handler)})
	}
	return all
}

// adapted makes a handler of Fiber's, for requests without a body: the adaptor would read all of it into memory.
func adapted(handler nethttp.Handler) fiber.Handler {
	serve := fasthttpadaptor.NewFastHTTPHandler(handler)
	return func(c *fiber.Ctx) error {
		if !body.None(c.Context()) {
			return &problem.Error{Kind: problem.ErrMalformed, Detail: "this takes no body"}
		}
		serve(c.Context())
		respond.Headers(&c.Context().Response.Header)
		return nil
	}
}

// serves reports whether a request is about the daemon itself, and so is answered before there is anything to answer of the users.
func (o *operations) serves(ctx *fasthttp.RequestCtx) bool {
	if o.listen != "" {
		return false
	}
	switch string(ctx.URI().PathOriginal()) {
	case pathLive, pathReady, pathMetrics:
		return true
	}
	return false
}

// start listens on a listener of its own, if there is to be one: on those that systemd has passed, or else on the configured address.
func (o *operations) start(ctx context.Context, socketMode string, listeners []net.Listener) error {
	if o.listen == "" {
		return nil
	}
	if len(listeners) == 0 {
		listener, err := openListener(ctx, o.listen, socketMode)
		if err != nil {
			return fmt.Errorf("http.admin_listen: %w", err)
		}
		listeners = []net.Listener{listener}
	}
	server := &nethttp.Server{
		Handler:           o.mux(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	} // no WriteTimeout: a profile takes as long as it was asked to
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listeners, o.server = listeners, server
	for _, listener := range listeners {
		o.serving.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, nethttp.ErrServerClosed) {
				o.log.Error("http.admin_listen is not served any more", "err", err)
			}
		})
		o.log.Info("listening for operators", "address", listen.AddressOf(listener.Addr()).URL(false))
	}
	return nil
}

// mux is what is served on the listener of its own.
func (o *operations) mux() nethttp.Handler {
	mux := nethttp.NewServeMux()
	for path, handler := range o.handlers() {
		mux.Handle("GET "+path, handler)
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func (o *operations) addr() net.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.listeners) == 0 {
		return nil
	}
	return o.listeners[0].Addr()
}

// stop closes the listener of its own and its connections at once: whoever asks for a profile does not keep the daemon from ending.
func (o *operations) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.server != nil {
		_ = o.server.Close()
		o.serving.Wait()
	}
}
