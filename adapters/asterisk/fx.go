package asterisk

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides what makes the source of a Config. It needs a *slog.Logger and the ports.Identities.
var Module = fx.Module("asterisk", fx.Provide(func(identities ports.Identities, log *slog.Logger) func(Config) (ports.Source, error) {
	return func(c Config) (ports.Source, error) { return New(c, identities, log) }
}))
