package nats

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides a *Store, as ports.Store and ports.Leases too. It needs a Config and a *slog.Logger. Start and Stop are left to the
// application, because to load millions of presences takes longer than everything else should wait for.
var Module = fx.Module("nats", fx.Provide(
	fx.Annotate(New, fx.As(fx.Self()), fx.As(new(ports.Store)), fx.As(new(ports.Leases))),
))
