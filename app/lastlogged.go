package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/zarafa/presence/ports"
)

// lastLogged is what the log was told last of something that is tried again and again. The log is told when it fails, and when it fails for another reason.
// What only repeats that is logged at the level debug. To begin anew, it is set to "".
type lastLogged string

// log logs an attempt that has failed. That nothing can be written is told by the writer, for all.
func (last *lastLogged) log(ctx context.Context, log *slog.Logger, level slog.Level, text string, err error, args ...any) {
	reason := err.Error()
	if errors.Is(err, ports.ErrUnavailable) {
		reason = ports.ErrUnavailable.Error() // whatever it is this time
	}
	if now := lastLogged(text + ": " + reason); now != *last {
		*last = now
	} else {
		level = slog.LevelDebug
	}
	log.Log(ctx, level, text, append([]any{"err", err}, args...)...)
}
