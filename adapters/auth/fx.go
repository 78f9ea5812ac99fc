package auth

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides *Tokens, also as ports.Tokens. It needs a Config and a ports.Clock.
var Module = fx.Module("auth", fx.Provide(fx.Annotate(New, fx.As(fx.Self()), fx.As(new(ports.Tokens)))))
