package caldav

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides what makes the source of a Config. It needs a *slog.Logger, a ports.Clock and ports.Identities.
var Module = fx.Module("calendar", fx.Provide(func(ids ports.Identities, clock ports.Clock, log *slog.Logger) func(Config) (ports.Source, error) {
	return func(c Config) (ports.Source, error) { return New(c, ids, clock, log) }
}))
