package http

import (
	"io"
	"log/slog"
	"net"

	"github.com/gofiber/fiber/v2"
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
	r := refusals{log: slog.New(slog.NewTextHandler(log, nil))}
	return func() { r.note(401, "forged", &net.TCPAddr{}) }
}

// Stopping reports whether Stop has begun.
func (s *Server) Stopping() bool { return s.stopping.Load() }

// Busy counts the connections with a request in progress.
func (s *Server) Busy() int { return s.conns.Busy() }

// Bodies returns how much memory large bodies take at present, in bytes.
func (s *Server) Bodies() int64 { return s.bodies.Counted() }
