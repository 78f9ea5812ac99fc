package http

import (
	"go.uber.org/fx"
)

// Module provides a *Server that is started and stopped with the application. It needs a Config, ports.Presence, ports.Feed, ports.Directory,
// ports.Backup, ports.Sources, ports.Readiness, ports.Tokens, ports.Clock and a *slog.Logger.
var Module = fx.Module("http", fx.Provide(New), fx.Invoke(run))

func run(lifecycle fx.Lifecycle, server *Server) {
	lifecycle.Append(fx.StartStopHook(server.Start, server.Stop))
}
