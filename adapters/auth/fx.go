package auth

import (
	"log/slog"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// Module provides ports.Tokens. It needs a Config, a ports.Clock and a *slog.Logger.
var Module = fx.Module("auth", fx.Provide(provide))

func provide(cfg Config, clock ports.Clock, log *slog.Logger) (ports.Tokens, error) {
	tokens, err := New(cfg, clock)
	if err != nil {
		return nil, err
	}
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	return tokens, nil
}
