package clock

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides the machine's clock as ports.Clock.
var Module = fx.Module("clock", fx.Provide(fx.Annotate(New, fx.As(new(ports.Clock)))))
