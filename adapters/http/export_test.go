package http

import (
	"io"
	"log/slog"
	"net/netip"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// NewBare makes what the benchmarks compare the server with: Fiber with the same settings, and a handler that reads the body and
// returns a constant.
func NewBare(cfg Config, constant []byte) *fiber.App {
	app := newApp(cfg, fiber.DefaultErrorHandler)
	handler := func(c *fiber.Ctx) error {
		if len(c.Body()) == 0 {
			return fiber.ErrBadRequest
		}
		return c.Send(constant)
	}
	for _, method := range []string{fiber.MethodGet, fiber.MethodPut, fiber.MethodPost} {
		app.Add(method, "/", handler)
	}
	app.Add(fiber.MethodGet, "/v1/users/:user", func(c *fiber.Ctx) error { return c.Send(constant) })
	return app
}

// Routes lists what a server's router knows, each as "METHOD pattern".
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range s.routes {
		routes = append(routes, r.method+" "+r.path)
	}
	return routes
}

// NewRefusals returns a function that is refused over and over.
func NewRefusals(log io.Writer) (note func()) {
	refuse, _ := NewRefusalsOf(log)
	return func() { refuse(401, netip.Addr{}) }
}

// NewRefusalsOf returns a function that refuses a client with a status, and one that says how many were not logged.
func NewRefusalsOf(log io.Writer) (note func(status int, client netip.Addr), end func()) {
	r := refusals{log: slog.New(slog.NewTextHandler(log, nil))}
	return func(status int, client netip.Addr) { r.note(status, "forged", client, client.String(), "") }, r.summarize
}

// Stopping reports whether Stop has begun.
func (s *Server) Stopping() bool { return s.stopping.Load() }

// Busy counts the connections with a request in progress.
func (s *Server) Busy() int { return s.conns.Busy() }

// Bodies returns how much memory large bodies take at present, in bytes.
func (s *Server) Bodies() int64 { return s.bodies.Counted() }

// Streams counts the event streams.
func (s *Server) Streams() int { return s.conns.Streams() }

// NewMeasuring returns a function that measures an answered request.
func NewMeasuring() (note func()) {
	var requests requests
	var ctx fasthttp.RequestCtx
	ctx.Init(new(fasthttp.Request), nil, nil)
	return func() { requests.note(&ctx) }
}
