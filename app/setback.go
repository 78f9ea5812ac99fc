package app

import (
	"context"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

const (
	setBackFrom = time.Second // a clock that is set back by less makes no difference
	lookEvery   = time.Minute // between two looks for presences that were updated in the future
)

// setBack moves what was written by the clock before it was set back by so much: else a client that is gone would stay available for as long. If
// the store is shared, the clocks of the others may be right, so that only what lies ahead is moved.
func (c *Continuity) setBack(ctx context.Context, by time.Duration) {
	if c.shared {
		c.moveAhead(ctx)
		return
	}
	now := c.clock.Now()
	noticed := now.Add(-2 * pulse) // what was updated after this was probably written by the clock as it is now
	c.move(ctx, func(p domain.Presence) domain.Presence {
		if p.Updated > now || !p.Expires.IsZero() && !p.Fixed && p.Updated < noticed {
			return p.SetBack(by, now)
		}
		return p
	})
}

// moveAhead moves what lies so far ahead that another clock, or this one before it was set back, has written it: it was updated now.
func (c *Continuity) moveAhead(ctx context.Context) {
	now, skew := c.clock.Now(), c.rules.Load().skew
	c.move(ctx, func(p domain.Presence) domain.Presence {
		if p.Updated > now.Add(skew) {
			return p.SetBack(time.Duration(p.Updated-now), now)
		}
		return p
	})
}

// move writes what change makes of each presence. It leaves alone what somebody else has written meanwhile, by the clock as it is now.
func (c *Continuity) move(ctx context.Context, change func(domain.Presence) domain.Presence) {
	type ahead struct {
		key image.Key
		was domain.Presence
	}
	var all []ahead
	c.core.Image.Each(func(user domain.UserID, presences domain.Presences) bool {
		for _, p := range presences {
			if change(p) != p {
				all = append(all, ahead{image.KeyOf(user, &p), p})
			}
		}
		return true
	})
	if len(all) == 0 {
		return
	}
	name := func(a ahead) image.Key { return a.key }
	err := rewriteAtOnce(ctx, c.core, all, name, func(a ahead, p domain.Presence) domain.Presence {
		if p != a.was {
			return p
		}
		return change(p)
	})
	switch {
	case err == nil:
		c.log.Warn("the clock was set back, or another one is ahead: the times of presences were moved", "presences", len(all))
	case ctx.Err() == nil:
		c.log.Warn("the clock was set back, or another one is ahead, and the times of presences cannot be moved", "presences", len(all), "err", err)
	}
}
