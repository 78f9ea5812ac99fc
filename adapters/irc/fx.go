package irc

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides what makes the source of a Config. It needs ports.Identities and a *slog.Logger.
var Module = fx.Module("irc", fx.Provide(func(identities ports.Identities, log *slog.Logger) func(Config) (ports.Source, error) {
	return func(c Config) (ports.Source, error) { return New(c, identities, log) }
}))
