package nats

import (
	"context"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides a *Store, as ports.Store and ports.Leases too, that is started and stopped with the application. It needs a Config and a *slog.Logger.
var Module = fx.Module("nats", fx.Provide(
	fx.Annotate(New, fx.As(fx.Self()), fx.As(new(ports.Store)), fx.As(new(ports.Leases)), fx.OnStart(start), fx.OnStop(stop)),
))

func start(ctx context.Context, s *Store) error { return s.Start(ctx) }

func stop(ctx context.Context, s *Store) error { return s.Stop(ctx) }
