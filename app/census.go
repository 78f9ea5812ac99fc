package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Between two counts of all users. So counting takes at most a thirtieth of one processor, and pays nothing while nobody asks.
const (
	leastCensusPause = time.Second
	censusPauseRatio = 30 // times as long as the last count took
)

// Census counts all users and presences when it is asked to, in a goroutine of its own. With a million users a count takes some 0.7 s, and is
// made every 20 s at most.
type Census struct {
	image      *image.Image
	clock      ports.Clock
	precedence atomic.Pointer[domain.Precedence]

	running atomic.Bool
	asked   chan chan<- ports.Census
}

// NewCensus makes the use case. Call Run to start it.
func NewCensus(img *image.Image, clock ports.Clock, precedence domain.Precedence) *Census {
	c := &Census{image: img, clock: clock, asked: make(chan chan<- ports.Census)}
	c.Configure(precedence)
	return c
}

// Configure has the users be counted by another precedence. It may be called at any time.
func (c *Census) Configure(precedence domain.Precedence) { c.precedence.Store(&precedence) }

// Run counts for those who call Count until ctx ends. To be called once, after all presences were loaded.
func (c *Census) Run(ctx context.Context) {
	c.running.Store(true)
	defer c.running.Store(false)
	var last ports.Census
	var next time.Time
	for {
		select {
		case answer := <-c.asked:
			if began := time.Now(); !began.Before(next) {
				last = c.count()
				next = time.Now().Add(max(leastCensusPause, censusPauseRatio*time.Since(began)))
			}
			answer <- last
		case <-ctx.Done():
			return
		}
	}
}

// Count returns how many users and presences there are, or were at the last count. It returns false if Run does not run, or ctx ends.
func (c *Census) Count(ctx context.Context) (count ports.Census, ok bool) {
	if !c.running.Load() {
		return ports.Census{}, false
	}
	answer := make(chan ports.Census, 1)
	select {
	case c.asked <- answer:
	case <-ctx.Done():
		return ports.Census{}, false
	}
	select {
	case count = <-answer:
		return count, true
	case <-ctx.Done():
		return ports.Census{}, false
	}
}

func (c *Census) count() ports.Census {
	var users [domain.Busy + 1]int
	presences := make(map[domain.Protocol]int)
	now, precedence := c.clock.Now(), c.precedence.Load()
	known := c.image.Known(now)
	c.image.Each(func(_ domain.UserID, all domain.Presences) bool {
		all = all.HeldAt(known, now)
		if len(all) > 0 {
			users[precedence.Unify(all).Status]++
		}
		for i := range all {
			presences[all[i].Protocol]++
		}
		return true
	})
	count := ports.Census{Users: make(map[domain.Status]int, len(users)), Presences: presences}
	for status := range users {
		count.Users[domain.Status(status)] = users[status]
	}
	return count
}
