package memory

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides the store as ports.Store and as ports.Leases. It needs a ports.Clock.
var Module = fx.Module("memory", fx.Provide(fx.Annotate(NewAt, fx.As(new(ports.Store)), fx.As(new(ports.Leases)))))
