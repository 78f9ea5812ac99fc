package beacon

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides what makes the source of a Config. It needs a *slog.Logger.
var Module = fx.Module("beacon", fx.Provide(func(log *slog.Logger) func(Config) (ports.Source, error) {
	return func(c Config) (ports.Source, error) { return New(c, log) }
}))
