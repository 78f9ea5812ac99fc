package http

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

// refusals logs who was refused and why: at most one line a second, so that nobody can fill the disk by being refused.
type refusals struct {
	log *slog.Logger

	mu     sync.Mutex
	last   time.Time
	unsaid int // since the last line
}

func newRefusals(log *slog.Logger) *refusals { return &refusals{log: log} }

// note records a refusal. why must contain no secret.
func (r *refusals) note(status int, why string, remote net.Addr) {
	unsaid, say := r.count(time.Now())
	if say {
		r.log.Warn("refused a request", "status", status, "why", why, "remote", remote.String(), "others_since", unsaid)
	}
}

func (r *refusals) count(now time.Time) (unsaid int, say bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last) < time.Second {
		r.unsaid++
		return 0, false
	}
	unsaid, r.unsaid, r.last = r.unsaid, 0, now
	return unsaid, true
}
