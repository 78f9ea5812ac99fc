package caldav

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides what makes the source of a Config. It needs a *slog.Logger, a ports.Clock, ports.Identities and ports.TimeZones.
var Module = fx.Module("calendar", fx.Provide(func(ids ports.Identities, zones ports.TimeZones, clock ports.Clock, log *slog.Logger) func(Config) (ports.Source, error) {
	return func(c Config) (ports.Source, error) { return New(c, ids, zones, clock, log) }
}))
