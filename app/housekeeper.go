package app

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	snapshotEvery = time.Second // between two looks at whether a snapshot is due
	forgetEvery   = time.Hour   // between two looks for presences that nobody has updated for too long
)

// Housekeeper makes snapshots, so that neither the journal nor the time to load it grows without end, and removes what nobody has updated for
// too long. Of several daemons one does so.
type Housekeeper struct {
	core   Core
	leases ports.Leases
	clock  ports.Clock
	retain atomic.Int64 // a time.Duration
	log    *slog.Logger

	changed chan struct{} // holds a token after Configure
}

// NewHousekeeper makes a housekeeper. Presences that have an end are removed when they have not been updated for longer than retain, and have not
// held since; zero: never. Call Run to start it.
func NewHousekeeper(core Core, leases ports.Leases, clock ports.Clock, retain time.Duration, log *slog.Logger) *Housekeeper {
	h := &Housekeeper{core: core, leases: leases, clock: clock, log: log, changed: make(chan struct{}, 1)}
	h.retain.Store(int64(retain))
	return h
}

// Configure changes for how long presences are retained. If that is another time, it looks at once for those that are too old now.
func (h *Housekeeper) Configure(retain time.Duration) {
	if h.retain.Swap(int64(retain)) == int64(retain) {
		return
	}
	put(h.changed)
}

// Run works until ctx ends. To be called once, after all presences were loaded.
func (h *Housekeeper) Run(ctx context.Context) {
	h.leases.Hold(ctx, "housekeeping", func(ctx context.Context) {
		snapshots, forgetting := time.NewTicker(snapshotEvery), time.NewTicker(forgetEvery)
		defer snapshots.Stop()
		defer forgetting.Stop()
		h.snapshot(ctx) // so that a daemon that never lives long starts faster, too
		for hour := 0; ; {
			select {
			case <-snapshots.C:
				h.snapshot(ctx)
			case <-forgetting.C:
				h.forget(ctx, hour)
				hour++
			case <-h.changed:
				h.forget(ctx, hour)
				hour++
			case <-ctx.Done():
				return
			}
		}
	})
}

// snapshot makes a snapshot if one is due.
func (h *Housekeeper) snapshot(ctx context.Context) {
	if !h.core.Writer.SnapshotDue() {
		return
	}
	began := time.Now()
	h.log.Debug("making a snapshot")
	if err := h.core.Writer.Snapshot(ctx); err != nil {
		if ctx.Err() == nil {
			h.log.Warn("no snapshot could be made, will try again", "err", err)
			pause(ctx, retrySnapshot)
		}
		return
	}
	h.log.Debug("snapshot made", "users", h.core.Image.Users(), "took", time.Since(began).Round(time.Millisecond))
}

// retrySnapshot is how long the housekeeper waits after a snapshot that could not be made.
const retrySnapshot = 30 * time.Second

// leastRemovals is how many presences may be removed in a day, however few there are.
const leastRemovals = 1000

// share is how many presences may be removed in the given hour of running: in any 24 of them a tenth of all, or leastRemovals. So a clock that is
// wrong for a while, and a start with one, cost little.
func share(hour, presences int) int {
	aDay := max(presences/10, leastRemovals)
	hour %= 24
	return aDay*(hour+1)/24 - aDay*hour/24
}

// forget removes what was last updated too long ago, the oldest first, in the given hour of running. What has no end is kept, and what holds, or
// has held, until later: that was somebody's wish.
func (h *Housekeeper) forget(ctx context.Context, hour int) {
	retain := time.Duration(h.retain.Load())
	if retain <= 0 {
		return
	}
	now := h.clock.Now()
	moment := now.Add(-retain)
	old := func(p domain.Presence) bool {
		return p.Revision != 0 && !p.Endless() && max(p.Updated, p.Expires) < moment
	}
	due, presences := h.due(old)
	going := due[:min(len(due), share(hour, presences))]
	name := func(d aged) image.Key { return d.key }
	err := rewrite(ctx, h.core, going, name, func(_ aged, p domain.Presence) domain.Presence {
		if !old(p) {
			return p
		}
		return p.Remove(now)
	})
	switch {
	case err != nil && ctx.Err() == nil:
		h.log.Warn("cannot remove old presences, will try again", "err", err, "retry_in", forgetEvery)
	case err == nil && len(due) > 0:
		h.log.Info("removed old presences", "presences", len(going), "waiting", len(due)-len(going))
	}
}

// aged is a presence that is too old.
type aged struct {
	key   image.Key
	since domain.Timestamp
}

// due returns the presences that are too old, the oldest first, and how many presences there are.
func (h *Housekeeper) due(old func(domain.Presence) bool) (due []aged, presences int) {
	h.core.Image.Each(func(user domain.UserID, all domain.Presences) bool {
		presences += len(all)
		for _, p := range all {
			if old(p) {
				due = append(due, aged{image.KeyOf(user, &p), max(p.Updated, p.Expires)})
			}
		}
		return true
	})
	slices.SortFunc(due, func(a, b aged) int { return cmp.Compare(a.since, b.since) })
	return due, presences
}
