package bolt

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides a *Journal as ports.Journal and as ports.Leases. It needs a Config and a *slog.Logger.
var Module = fx.Module("bolt", fx.Provide(
	fx.Annotate(New, fx.As(new(ports.Journal)), fx.As(new(ports.Leases))),
))
