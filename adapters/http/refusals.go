package http

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// refusalLines is how many refusals with one status are logged in a second, so that nobody can fill the disk by being refused.
	refusalLines = 10

	// refusalSummary is how soon it is logged how many were not, unless the next line says so.
	refusalSummary = 2 * time.Second

	// noStatus stands for the status of a connection whose TLS handshake failed, so that it had no request.
	noStatus = 0
)

// refusals logs who was refused and why: at most one line a second for a status and an address, so that one kind of refusals, or one client,
// does not hide the others. What is not logged is counted, for each status. Its methods may be called concurrently.
type refusals struct {
	log *slog.Logger

	mu       sync.Mutex
	byStatus map[int]*refused
	summary  *time.Timer // is due while anything is unsaid
}

// refused are the refusals with one status.
type refused struct {
	begun   time.Time // when the second began that the next fields are about
	lines   int
	clients map[netip.Addr]bool

	unsaid int // since the last line
}

// note logs a refusal of a client, who is logged as remote. why must contain no secret.
func (r *refusals) note(status int, why string, client netip.Addr, remote, requestID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.of(status)
	if time.Since(s.begun) >= time.Second {
		s.begun, s.lines = time.Now(), 0
		clear(s.clients)
	}
	if s.lines == refusalLines || s.clients[client] {
		s.unsaid++
		if r.summary == nil {
			r.summary = time.AfterFunc(refusalSummary, r.summarize)
		}
		return
	}
	if status == noStatus {
		r.log.Warn("refused a connection", "why", why, "remote", remote, "others_since", s.unsaid)
	} else {
		r.log.Warn("refused a request", "status", status, "why", why, "remote", remote, "request_id", requestID, "others_since", s.unsaid)
	}
	s.lines, s.clients[client], s.unsaid = s.lines+1, true, 0
}

func (r *refusals) of(status int) *refused {
	s := r.byStatus[status]
	if s == nil {
		s = &refused{clients: make(map[netip.Addr]bool)}
		if r.byStatus == nil {
			r.byStatus = make(map[int]*refused)
		}
		r.byStatus[status] = s
	}
	return s
}

// summarize logs how many refusals were not logged. The server calls it once more when it stops.
func (r *refusals) summarize() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.summary != nil {
		r.summary.Stop()
		r.summary = nil
	}
	for _, status := range slices.Sorted(maps.Keys(r.byStatus)) {
		s := r.byStatus[status]
		switch {
		case s.unsaid == 0:
		case status == noStatus:
			r.log.Warn("refused further connections", "count", s.unsaid)
		default:
			r.log.Warn("refused further requests", "status", status, "count", s.unsaid)
		}
		s.unsaid = 0
	}
}
