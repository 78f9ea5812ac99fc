package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

// Expirer makes a change of each presence that has expired, within a second, so that watchers learn of it. Readers do not
// depend on it: for them a presence expires by itself (domain.Presence.At). Several daemons may do so at once: only one makes the change.
//
// It keeps one deadline for each presence that can expire. A heartbeat does not touch it; when its time comes the expirer looks
// at what is there by then, and sets a new deadline or expires the presence.
type Expirer struct {
	core    Core
	ready   ports.Readiness
	clock   ports.Clock
	log     *slog.Logger
	failing bool // the log was told so

	lateness measure.Histogram // of the presences that were written as expired
}

// NewExpirer makes an expirer, which expires nothing while the daemon is not ready. The clock is to stand still after a pause of the daemon
// (Continuity). Call Run to start it.
func NewExpirer(core Core, ready ports.Readiness, clock ports.Clock, log *slog.Logger) *Expirer {
	return &Expirer{core: core, ready: ready, clock: clock, log: log}
}

// Run works until ctx ends. To be called once, after all presences were loaded.
func (e *Expirer) Run(ctx context.Context) {
	watch := e.core.Image.Watch()
	defer watch.Close()
	pending := newTimerQueue(e.clock.Now())
	e.core.Image.Each(func(user domain.UserID, presences domain.Presences) bool {
		for i := range presences {
			if p := &presences[i]; p.Revision <= watch.Began() { // the watch tells the others, and none is to be noted twice
				note(pending, user, p)
			}
		}
		return true
	})
	for next := time.Now().Add(tick); ctx.Err() == nil; {
		waiting, stop := context.WithDeadline(ctx, next)
		changes, _ := watch.Next(waiting) // without changes the context has ended, or the image was released
		stop()
		for i := range changes {
			note(pending, changes[i].User, &changes[i].Presence)
		}
		if !time.Now().Before(next) {
			e.expire(ctx, pending)
			next = time.Now().Add(tick)
		}
	}
}

// note sets the deadline of a presence that can expire.
func note(pending *timerQueue, user domain.UserID, p *domain.Presence) {
	if !p.Expires.IsZero() {
		pending.add(p.Expires, deadline{user, p.Revision})
	}
}

// expire looks at each presence whose deadline has passed.
func (e *Expirer) expire(ctx context.Context, pending *timerQueue) {
	now := e.clock.Now()
	if e.ready.Ready() != nil {
		return // what ran out before the start has to be held first: see Continuity
	}
	if e.core.Image.Known(now) < now {
		return // others may have renewed what has expired
	}
	pending.take(now, func(due []deadline) {
		var expired []image.Key
		var deadlines []domain.Timestamp
		again := due[:0]
		for _, d := range due {
			p, found := e.find(d)
			switch {
			case !found: // it changed, and that change has its own deadline
			case p.Expired(now):
				expired, deadlines = append(expired, image.KeyOf(d.user, &p)), append(deadlines, p.Expires)
				again = append(again, d)
			default:
				pending.add(p.Expires, d)
			}
		}
		err := rewrite(ctx, e.core, expired, itself, func(_ image.Key, p domain.Presence) domain.Presence { return p.At(now) })
		e.complain(ctx, len(expired), err)
		if err == nil {
			e.note(deadlines)
		}
		for _, d := range again { // what could not be written, and what was renewed at the last moment
			if p, found := e.find(d); found {
				pending.add(max(p.Expires, now), d)
			}
		}
	})
}

// note notes how late some presences were written that had expired at these moments.
func (e *Expirer) note(deadlines []domain.Timestamp) {
	now := e.clock.Now()
	for _, deadline := range deadlines {
		e.lateness.Observe(time.Duration(now - deadline))
	}
}

// complain logs that expired presences cannot be announced, once until they can be.
func (e *Expirer) complain(ctx context.Context, expired int, err error) {
	switch {
	case expired == 0 || ctx.Err() != nil:
	case err == nil:
		e.failing = false
	case !e.failing:
		e.failing = true
		e.log.Warn("cannot announce expired presences, will try again", "presences", expired, "err", err)
	}
}

// find returns the presence that a deadline is for, if it is still the same.
func (e *Expirer) find(d deadline) (domain.Presence, bool) {
	for _, p := range e.core.Image.Presences(d.user) {
		if p.Revision == d.revision {
			return p, true
		}
	}
	return domain.Presence{}, false
}
