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

// note records a refusal. why must contain no secret.
func (r *refusals) note(status int, why string, remote net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < time.Second {
		r.unsaid++
		return
	}
	r.log.Warn("refused a request", "status", status, "why", why, "remote", remote.String(), "others_since", r.unsaid)
	r.last, r.unsaid = time.Now(), 0
}
