package app

import (
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/ports"
)

var _ ports.Health = (*Health)(nil)

// Health implements ports.Health.
type Health struct {
	core      Core
	readiness ports.Readiness
	sources   ports.Sources
	clock     ports.Clock

	staleAfter atomic.Int64 // a time.Duration
	stopping   atomic.Bool
}

// NewHealth makes the use case. A daemon that has not been able to follow the journal for staleAfter should not be given requests.
func NewHealth(core Core, readiness ports.Readiness, sources ports.Sources, clock ports.Clock, staleAfter time.Duration) *Health {
	h := &Health{core: core, readiness: readiness, sources: sources, clock: clock}
	h.Configure(staleAfter)
	return h
}

// Configure sets for how long the journal may not be followed. It may be called at any time.
func (h *Health) Configure(staleAfter time.Duration) { h.staleAfter.Store(int64(staleAfter)) }

// Stop notes that the daemon is stopping.
func (h *Health) Stop() { h.stopping.Store(true) }

// Ready implements ports.Health.
func (h *Health) Ready() bool {
	return !h.stopping.Load() && h.readiness.Ready() == nil && h.behind() <= time.Duration(h.staleAfter.Load())
}

// behind returns for how long the journal has not been followed.
func (h *Health) behind() time.Duration {
	known := h.sources.KnownUntil()
	if known.IsZero() {
		return 0
	}
	return time.Duration(h.clock.Now() - known)
}

// States implements ports.Health.
func (h *Health) States() []ports.PartState {
	daemon, journal := "running", h.core.Writer.Statistics()
	switch {
	case h.stopping.Load():
		daemon = "stopping"
	case h.readiness.Ready() != nil:
		daemon = "loading"
	}
	sources := h.sources.Statuses()
	states := append(make([]ports.PartState, 0, 3+len(sources)),
		ports.PartState{Part: "daemon", State: daemon},
		ports.PartState{Part: "journal", State: either(journal.Followed, "followed", "not followed")},
		ports.PartState{Part: "writing", State: either(journal.Writable, "possible", "not possible")})
	for _, source := range sources {
		states = append(states, ports.PartState{Part: "source " + source.Protocol.String(), State: source.State.String()})
	}
	return states
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
