package audit

import (
	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides a *Log that is off, also as ports.Audit.
var Module = fx.Module("audit", fx.Provide(fx.Annotate(New, fx.As(fx.Self()), fx.As(new(ports.Audit)))))
