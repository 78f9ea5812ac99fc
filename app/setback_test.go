package app_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

// wrongClock is the clock of the test's fake time, and ahead by so much.
type wrongClock struct{ ahead atomic.Int64 }

func (c *wrongClock) Now() domain.Timestamp {
	return clock.New().Now().Add(time.Duration(c.ahead.Load()))
}

func (c *wrongClock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// startAhead starts a daemon whose clock is an hour ahead, and has a client report busy.
func startAhead(t *testing.T) (*wrongClock, *coretest.Core, *app.Presence) {
	t.Helper()
	now := &wrongClock{}
	now.set(time.Hour)
	store := coretest.Start(t)
	presence := newPresence(t, store, now)
	c, _ := serving(t, store, now, false)
	until(t, c)
	beat(t, presence, mark, "busy")
	return now, store, presence
}

// TestAClockThatIsSetBackKeepsNobody: what is left of the period of a client that has gone is left still. An end that was asked for stays.
func TestAClockThatIsSetBackKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, store, presence := startAhead(t)
		end := now.Now().Add(3 * time.Hour)
		asked := domain.Presence{Protocol: byHand}.Observe(domain.Shown{Status: domain.Busy}, forGood, now.Now()).HoldUntil(end)
		if err := store.Apply(t.Context(), image.Write{User: anna, Old: domain.Presence{Protocol: byHand}, New: asked}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100*time.Second + 100*time.Millisecond)
		now.set(0)
		time.Sleep(time.Second)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Busy || p.Updated > now.Now() || p.Since > now.Now() ||
			time.Until(p.Expires.Time()) > 20*time.Second {
			t.Errorf("a second after the clock was set back: %+v, it is %v", p, now.Now())
		}
		if p, _ := store.Presences(anna).On(byHand); p.Expires != end || p.Updated > now.Now() {
			t.Errorf("what was to end at %v: %+v", end, p)
		}
		revision := store.Revision()
		time.Sleep(17 * time.Second)
		if got := status(t, presence, mark); got != domain.Busy || store.Revision() != revision {
			t.Errorf("before the period is over: %v, revision %d, was %d", got, store.Revision(), revision)
		}
		time.Sleep(4 * time.Second)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable {
			t.Errorf("after the period: %+v", p)
		}
		beat(t, presence, mark, "busy")
		time.Sleep(spreed.Expiry.After - time.Second)
		if got := status(t, presence, mark); got != domain.Busy {
			t.Errorf("a later heartbeat does not hold: %v", got)
		}
	})
}

// TestAHeartbeatRightAfterTheClockWasSetBackHolds: it is of the clock as it is now.
func TestAHeartbeatRightAfterTheClockWasSetBackHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, _, presence := startAhead(t)
		time.Sleep(10*time.Second + 100*time.Millisecond)
		now.set(0)
		beat(t, presence, mark, "busy")
		time.Sleep(spreed.Expiry.After - time.Second)
		if got := status(t, presence, mark); got != domain.Busy {
			t.Errorf("it is %v", got)
		}
		time.Sleep(3 * time.Second)
		if got := status(t, presence, mark); got != domain.Unavailable {
			t.Errorf("after the period it is %v", got)
		}
	})
}

// TestWhatWasUpdatedInTheFutureIsMovedOnce: the clock was set back while the daemon was down, or another daemon's is ahead. What is within
// auth.clock_skew stays.
func TestWhatWasUpdatedInTheFutureIsMovedOnce(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := &wrongClock{}
				now.set(time.Hour)
				store := coretest.Start(t)
				beat(t, newPresence(t, store, now), mark, "busy")
				now.set(20 * time.Second)
				beat(t, newPresence(t, store, now), anna, "busy")
				skewed, _ := store.Presences(anna).On(web)
				now.set(0)
				presence := newPresence(t, store, now)
				c, _ := serving(t, store, now, shared)
				until(t, c)
				if p, _ := store.Presences(mark).On(web); p.Updated != now.Now() || p.Expires != now.Now().Add(spreed.Expiry.After) {
					t.Errorf("after the start: %+v, it is %v", p, now.Now())
				}
				if p, _ := store.Presences(anna).On(web); p != skewed {
					t.Errorf("what is a little ahead was %+v, is %+v", skewed, p)
				}
				other := &wrongClock{} // another daemon's
				other.set(time.Hour)
				beat(t, newPresence(t, store, other), "late@example.test", "busy")
				time.Sleep(spreed.Expiry.After + 2*time.Second)
				if got := status(t, presence, mark); got != domain.Unavailable {
					t.Errorf("after the period: %v", got)
				}
				if p, _ := store.Presences("late@example.test").On(web); p.Updated > now.Now() || p.Expires > now.Now().Add(spreed.Expiry.After) {
					t.Errorf("what came later: %+v, it is %v", p, now.Now())
				}
			})
		})
	}
}
