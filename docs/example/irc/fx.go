package irc

import "go.uber.org/fx"

// Module provides what makes the source of a Config.
var Module = fx.Module("irc", fx.Supply(New))
