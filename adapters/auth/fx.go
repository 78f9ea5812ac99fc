package auth

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides *Tokens, also as ports.Principals. It needs a Config, a ports.Clock and ports.Groups.
var Module = fx.Module("auth", fx.Provide(fx.Annotate(NewWithGroups, fx.As(fx.Self()), fx.As(new(ports.Principals)))))
