package http

import (
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/conn"
)

// LogAccess makes the server log each request to the given log at the level info, or none if it is nil or takes no such lines. A line has no token, no
// message and no query of the URL. A stream is logged when it begins. It may be called at any time.
func (s *Server) LogAccess(log *slog.Logger) { s.access.Store(log) }

// noteAccess logs a request that was answered.
func (s *Server) noteAccess(ctx *fasthttp.RequestCtx) {
	log := s.access.Load()
	if log == nil || !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	route, user := conn.Served(ctx)
	origin := conn.OriginOf(ctx)
	log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("method", clip(ctx.Method())),
		slog.String("route", route),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.Duration("duration", time.Since(ctx.Time())),
		slog.String("user", user),
		slog.String("address", origin.Address),
		slog.String("request_id", origin.Request))
}

// clip returns the method of a request. Real ones are shorter.
func clip(method []byte) string { return string(method[:min(len(method), 16)]) }

// named makes a handler note which route it serves.
func named(pattern string, handle fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		conn.SetRoute(c.Context(), pattern)
		return handle(c)
	}
}
