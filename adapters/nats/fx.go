package nats

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides a *Journal as ports.Journal and ports.Leases. It needs a Config and a *slog.Logger. Nothing happens before Follow.
var Module = fx.Module("nats", fx.Provide(
	fx.Annotate(New, fx.As(new(ports.Journal)), fx.As(new(ports.Leases))),
))
