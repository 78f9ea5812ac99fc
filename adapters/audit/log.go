// Package audit writes down who has changed which presence: a line of JSON for each. Package wiring gives it a log whose lines nobody waits for.
package audit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Audit = (*Log)(nil)

// Log implements ports.Audit. It has no message of a user.
type Log struct{ to atomic.Pointer[slog.Logger] }

// New makes a log that is off.
func New() *Log { return new(Log) }

// WriteTo has lines written to a log from now on, as long as that takes lines of the level info.
func (l *Log) WriteTo(log *slog.Logger) { l.to.Store(log) }

// On implements ports.Audit.
func (l *Log) On() bool {
	to := l.to.Load()
	return to != nil && to.Enabled(context.Background(), slog.LevelInfo)
}

var actions = [...]string{ports.ActionSet: "set", ports.ActionRemove: "remove", ports.ActionImport: "import"}

var outcomes = [...]string{ports.OutcomeDone: "done", ports.OutcomeRefused: "refused", ports.OutcomeFailed: "failed"}

// Note implements ports.Audit.
func (l *Log) Note(entries []ports.AuditEntry) {
	to := l.to.Load()
	if to == nil {
		return
	}
	for i := range entries {
		d := &entries[i]
		line := slog.NewRecord(time.Now(), slog.LevelInfo, actions[d.Action], 0)
		line.AddAttrs(
			slog.String("outcome", outcomes[d.Outcome]),
			slog.String("by", string(d.By.User)),
			slog.Bool("service", d.By.Service),
			slog.String("address", d.Address),
			slog.String("request_id", d.Request),
			slog.String("user", string(d.User)),
			slog.String("protocol", d.Protocol),
			slog.String("device", d.Device))
		if d.Action != ports.ActionRemove {
			line.AddAttrs(slog.String("status", d.Status), slog.String("until", moment(d.Until)), slog.Bool("change", d.Change))
		}
		_ = to.Handler().Handle(context.Background(), line) // what cannot be written is told by the log itself
	}
}

// moment returns a moment as RFC 3339 has it, to the millisecond; nothing for none.
func moment(t domain.Timestamp) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}
