package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Expirer makes a change of each presence that has expired, within a second, so that watchers learn of it. Readers do not
// depend on it: for them a presence expires by itself (domain.Presence.At).
//
// It keeps one appointment for each presence that can expire. A heartbeat does not touch it; when its time comes the expirer looks
// at what the store has by then, and makes a new appointment or expires the presence.
type Expirer struct {
	store ports.Store
	clock ports.Clock
	log   *slog.Logger
}

// NewExpirer makes an expirer. Call Run to start it.
func NewExpirer(store ports.Store, clock ports.Clock, log *slog.Logger) *Expirer {
	return &Expirer{store: store, clock: clock, log: log}
}

// Run works until ctx ends, then returns nil. An error means that the store's watch broke. To be called once.
func (e *Expirer) Run(ctx context.Context) error {
	watch := e.store.Watch(0)
	defer watch.Close()
	changes, broken := e.follow(ctx, watch)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	pending := newAgenda(e.clock.Now())
	for {
		select {
		case batch, open := <-changes:
			if !open {
				if err := <-broken; ctx.Err() == nil {
					return fmt.Errorf("expirer: %w", err)
				}
				return nil
			}
			e.note(pending, batch)
		case <-ticker.C:
			e.expire(ctx, pending)
		}
	}
}

// follow reads the watch in a goroutine, which ends with ctx: then changes is closed, and broken holds the reason.
func (e *Expirer) follow(ctx context.Context, watch ports.Watch) (<-chan []domain.Change, <-chan error) {
	changes, broken := make(chan []domain.Change), make(chan error, 1)
	go func() {
		defer close(changes)
		for {
			batch, err := watch.Next(ctx)
			if err != nil {
				broken <- err
				return
			}
			select {
			case changes <- batch:
			case <-ctx.Done():
				broken <- ctx.Err()
				return
			}
		}
	}()
	return changes, broken
}

func (e *Expirer) note(pending *agenda, changes []domain.Change) {
	for _, change := range changes {
		if p := change.Presence; !p.Expires.IsZero() {
			pending.add(p.Expires, appointment{change.User, p.Revision})
		}
	}
}

// expire looks at each presence that is due.
func (e *Expirer) expire(ctx context.Context, pending *agenda) {
	now := e.clock.Now()
	pending.take(now, func(due []appointment) {
		var expired []presenceKey
		again := due[:0]
		for _, entry := range due {
			p, found := e.find(entry)
			switch {
			case !found: // it changed, and that change has its own appointment
			case p.Expired(now):
				expired = append(expired, presenceKey{entry.user, p.Protocol})
				again = append(again, entry)
			default:
				pending.add(p.Expires, entry)
			}
		}
		err := rewrite(ctx, e.store, expired, itself, func(_ presenceKey, p domain.Presence) domain.Presence { return p.At(now) })
		if err != nil && ctx.Err() == nil {
			e.log.Error("cannot announce expired presences, will try again", "presences", len(expired), "err", err)
		}
		for _, entry := range again { // what the store did not take, and what was renewed at the last moment
			if p, found := e.find(entry); found {
				pending.add(max(p.Expires, now), entry)
			}
		}
	})
}

// find returns the presence that an appointment is for, if it is still the same.
func (e *Expirer) find(entry appointment) (domain.Presence, bool) {
	for _, p := range e.store.Presences(entry.user) {
		if p.Revision == entry.revision {
			return p, true
		}
	}
	return domain.Presence{}, false
}
