package manual

import "go.uber.org/fx"

// Module adds the protocol to those that clients may update. It needs a Config.
var Module = fx.Module("manual", fx.Provide(fx.Annotate(New, fx.ResultTags(`group:"updatables"`))))
