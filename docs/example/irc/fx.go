package irc

import "go.uber.org/fx"

// Module adds the source to those that the daemon runs. It needs a Config.
var Module = fx.Module("irc", fx.Provide(fx.Annotate(New, fx.ResultTags(`group:"sources"`))))
