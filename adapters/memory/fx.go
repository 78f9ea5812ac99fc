package memory

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides the store as ports.Store and as ports.Leases.
var Module = fx.Module("memory", fx.Provide(fx.Annotate(New, fx.As(new(ports.Store)), fx.As(new(ports.Leases)))))
