package http

import (
	"log/slog"
	"time"

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
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	line.AddAttrs(
		slog.String("method", clip(ctx.Method())),
		slog.String("route", route),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.Float64("duration_ms", float64(time.Since(ctx.Time()).Microseconds())/1000),
		slog.String("user", user),
		slog.String("address", origin.Address),
		slog.String("request_id", origin.Request))
	_ = log.Handler().Handle(ctx, line) // what cannot be written is told by the log itself
}

// clip returns the method of a request. Real ones are shorter.
func clip(method []byte) string { return string(method[:min(len(method), 16)]) }
