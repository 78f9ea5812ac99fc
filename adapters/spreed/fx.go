package spreed

import "go.uber.org/fx"

// Module provides what makes the protocol of a Config.
var Module = fx.Module("spreed", fx.Supply(New))
