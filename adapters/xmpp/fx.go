package xmpp

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module adds the source to those that the supervisor runs. It needs a Config and a *slog.Logger.
var Module = fx.Module("xmpp", fx.Provide(fx.Annotate(New, fx.As(new(ports.Source)), fx.ResultTags(`group:"sources"`))))
