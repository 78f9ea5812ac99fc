package memory

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides the store as ports.Store.
var Module = fx.Module("memory", fx.Provide(fx.Annotate(New, fx.As(new(ports.Store)))))
