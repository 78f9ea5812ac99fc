package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	_ ports.Readiness = (*Continuity)(nil)
	_ ports.Clock     = (*Continuity)(nil)
)

const (
	pulse      = 250 * time.Millisecond // how often Continuity notes that the daemon is at work
	pauseAfter = 2 * time.Second        // without a pulse for so long the daemon has paused
	settle     = 2 * time.Second        // by then another daemon, if there is one, has announced an expiry
	holdWithin = 5 * time.Second        // if nothing can be written for so long, nothing is held, so that reads go on
)

// Continuity sees to it that a pause of the daemon ends nobody's presence. Clients cannot repeat what they say while no daemon serves: it was
// stopped or halted, or its machine was. So what ran out meanwhile holds for one more period (domain.Presence.Hold). An expiry that another
// daemon has announced stands. Until that is done time stands still for the use cases; after a start, and always if other daemons share the
// store, the daemon is not ready.
//
// No record of pauses is kept. A daemon announces an expiry within a second, so what has run out longer ago and was not announced ran out
// while no daemon served.
//
// It also sees to it that a clock that is set back keeps nobody's presence for longer: see setBack.
type Continuity struct {
	core   Core
	clock  ports.Clock
	rules  atomic.Pointer[timing]
	shared bool
	log    *slog.Logger
	begun  chan struct{} // closed at the first pulse
	served atomic.Int64  // the domain.Timestamp of the last pulse; zero: there was none yet
}

// timing is what the configuration says about times. It does not change.
type timing struct {
	expiry map[domain.Protocol]domain.ExpiryPolicy
	skew   time.Duration
}

// NewContinuity makes the use case for the protocols of clients. Clocks may differ by skew. shared says that other daemons may serve the same
// presences. Call Run to start it.
func NewContinuity(core Core, clock ports.Clock, clients []domain.ClientProtocol, skew time.Duration, shared bool, log *slog.Logger) *Continuity {
	c := &Continuity{core: core, clock: clock, shared: shared, log: log, begun: make(chan struct{})}
	c.Configure(clients, skew)
	return c
}

// Configure replaces the protocols of clients, and by how much clocks may differ. It may be called at any time.
func (c *Continuity) Configure(clients []domain.ClientProtocol, skew time.Duration) {
	t := &timing{expiry: make(map[domain.Protocol]domain.ExpiryPolicy), skew: skew}
	for _, client := range clients {
		t.expiry[client.Protocol] = client.Expiry
	}
	c.rules.Store(t)
}

// Begun is closed when the daemon is ready for the first time.
func (c *Continuity) Begun() <-chan struct{} { return c.begun }

// Ready implements ports.Readiness.
func (c *Continuity) Ready() error {
	if err := c.core.Writer.Ready(); err != nil {
		return err
	}
	served := c.lastPulse()
	if served.IsZero() || c.shared && c.paused(c.clock.Now(), served) { // the others may have written what is not here yet
		return ports.ErrLoading
	}
	return nil
}

// Now implements ports.Clock: after a pause time stands still until what ran out is held. So nobody is told meanwhile that it has run out.
func (c *Continuity) Now() domain.Timestamp {
	now, served := c.clock.Now(), c.lastPulse()
	if !served.IsZero() && c.paused(now, served) {
		return served
	}
	return now
}

func (c *Continuity) paused(now, served domain.Timestamp) bool { return now > served.Add(pauseAfter) }

func (c *Continuity) lastPulse() domain.Timestamp { return domain.Timestamp(c.served.Load()) }

// Run works until ctx ends. To be called once, after all presences were loaded.
func (c *Continuity) Run(ctx context.Context) {
	c.respell(ctx)
	pulses := time.NewTicker(pulse)
	defer pulses.Stop()
	looked := time.Now()
	c.moveAhead(ctx)
	for last := time.Now(); ctx.Err() == nil; {
		now, passed, served := c.clock.Now(), time.Since(last), c.lastPulse()
		last = last.Add(passed)
		if back := time.Duration(served.Add(passed) - now); !served.IsZero() && back > setBackFrom {
			c.setBack(ctx, back)
			looked = last
		} else if last.Sub(looked) >= lookEvery {
			c.moveAhead(ctx)
			looked = last
		}
		if served.IsZero() || passed > pauseAfter || c.paused(now, served) {
			now, last = c.resume(ctx), time.Now()
		}
		if c.served.Swap(int64(now)) == 0 {
			close(c.begun)
		}
		select {
		case <-pulses.C:
		case <-ctx.Done():
		}
	}
}

// respell makes one user of the spellings that an earlier version has kept, so that no reader misses one.
func (c *Continuity) respell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, holdWithin)
	defer cancel()
	for {
		gone, err := respell(ctx, c.core, c.clock.Now())
		if gone > 0 {
			c.log.Info("ids that are spelt differently are one user now", "spellings", gone)
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.log.Warn("users whose ids an earlier version has spelt otherwise are not found until the next start: nothing can be written", "err", err)
			return
		}
		pause(ctx, pulse)
	}
}

// maxHolds is how often what ran out is held after one pause: again for what ran out meanwhile, but not for ever if a period is very short.
const maxHolds = 3

// resume holds what ran out in a pause, and returns up to when.
func (c *Continuity) resume(running context.Context) (until domain.Timestamp) {
	ctx, cancel := context.WithTimeout(running, holdWithin)
	defer cancel()
	expiry := c.rules.Load().expiry
	for held := 0; held < maxHolds; {
		keys, now, err := c.overdue(ctx, expiry)
		if until = now; err == nil && len(keys) == 0 {
			break
		}
		if err == nil {
			err = rewriteAtOnce(ctx, c.core, keys, itself, func(key image.Key, p domain.Presence) domain.Presence {
				return p.Hold(expiry[key.Protocol], now)
			})
		}
		switch {
		case err == nil:
			held++
			c.log.Info("clients could not report for a while: what they said last holds for one more period", "presences", len(keys))
		case running.Err() != nil:
			return until
		case ctx.Err() != nil:
			c.log.Warn("what ran out in a pause of the daemon cannot be held: nothing can be written", "err", err)
			return c.clock.Now()
		default:
			pause(ctx, pulse)
		}
	}
	return until
}

// overdue returns the presences of clients whose time was up when it looked, and that no daemon has ended.
func (c *Continuity) overdue(ctx context.Context, expiry map[domain.Protocol]domain.ExpiryPolicy) (keys []image.Key, now domain.Timestamp, err error) {
	look := func() (latest domain.Timestamp) {
		now = c.clock.Now()
		keys = c.core.keys(func(p domain.Presence) bool {
			is := p.Hold(expiry[p.Protocol], now) != p
			if is {
				latest = max(latest, p.Expires)
			}
			return is
		})
		return latest
	}
	if !c.shared {
		look()
		return keys, now, nil
	}
	if err = c.core.Writer.Sync(ctx); err != nil {
		return nil, c.clock.Now(), err
	}
	latest := look()
	if left := latest.Add(settle) - now; len(keys) > 0 && left > 0 {
		pause(ctx, time.Duration(left))
		look()
	}
	return keys, now, nil
}
