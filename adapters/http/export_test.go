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
	tune(app.Server(), cfg)
	handler := func(c *fiber.Ctx) error {
		if len(c.Body()) == 0 {
			return fiber.ErrBadRequest
		}
		return c.Send(constant)
	}
	for _, method := range methods {
		app.Add(method, "/", handler)
	}
	return app
}

// NewRefusals returns a function that is refused over and over.
func NewRefusals(log io.Writer) (note func()) {
	r := newRefusals(slog.New(slog.NewTextHandler(log, nil)))
	return func() { r.note(401, "forged", &net.TCPAddr{}) }
}

// Stopping reports whether Stop has begun.
func (s *Server) Stopping() bool { return s.stopping.Load() }
