package app_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// serving runs a continuity and an expirer over a core until the test ends or stop is called.
func serving(t *testing.T, store *coretest.Core, now ports.Clock, shared bool) (c *app.Continuity, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	c = app.NewContinuity(store.Core, now, []domain.ClientProtocol{spreed}, 30*time.Second, shared, quiet)
	running.Go(func() { c.Run(ctx) })
	running.Go(func() { app.NewExpirer(store.Core, c, c, quiet).Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return c, stop
}

func until(t *testing.T, c *app.Continuity) {
	t.Helper()
	select {
	case <-c.Begun():
	case <-time.After(time.Minute):
		t.Fatal("the daemon is not ready")
	}
}

// status is what a reader gets.
func status(t *testing.T, presence *app.Presence, user domain.UserID) domain.Status {
	t.Helper()
	found, err := presence.Query(domain.Principal{}, []string{string(user)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := found[0].On(web)
	return p.Status
}

// TestWhatRanOutWhileTheDaemonWasDownHolds: for one more period, in which clients come back.
func TestWhatRanOutWhileTheDaemonWasDownHolds(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := coretest.Start(t)
				presence := newPresence(t, store, clock.New())
				beat(t, presence, mark, "busy")
				now := clock.New().Now()
				asked := domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy}, spreed.Expiry, now).HoldUntil(now.Add(time.Minute))
				if err := store.Apply(t.Context(), image.Write{User: anna, Old: domain.Presence{Protocol: web}, New: asked}); err != nil {
					t.Fatal(err)
				}
				revision := store.Revision()
				time.Sleep(10 * time.Minute)
				c, _ := serving(t, store, clock.New(), shared)
				if err := c.Ready(); !errors.Is(err, ports.ErrLoading) {
					t.Errorf("before anything is held Ready = %v", err)
				}
				until(t, c)
				if got := status(t, presence, mark); got != domain.Busy || c.Ready() != nil || store.Revision() != revision {
					t.Errorf("the first answer is %v, Ready = %v, revision %d, was %d", got, c.Ready(), store.Revision(), revision)
				}
				if got := status(t, presence, anna); got != domain.Unavailable {
					t.Errorf("what was to end at a time is %v", got)
				}
				time.Sleep(spreed.Expiry.After - time.Second)
				if got := status(t, presence, mark); got != domain.Busy {
					t.Errorf("a second before the period is over it is %v", got)
				}
				time.Sleep(3 * time.Second)
				if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable || p.Since != p.Updated.Add(12*time.Minute) {
					t.Errorf("after the period it is %+v", p)
				}
			})
		})
	}
}

// TestTimeStandsStillAfterAHalt: as of a process that is stopped and goes on, or of a machine that sleeps, until what ran out is held. A daemon
// of several is not ready until then: it does not know what the others have written.
func TestTimeStandsStillAfterAHalt(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := &atomicClock{}
				now.set(start)
				store := coretest.Start(t)
				c, _ := serving(t, store, now, shared)
				until(t, c)
				presence := newPresence(t, store, c)
				beat(t, presence, mark, "busy")
				synctest.Wait()
				now.set(start.Add(10 * time.Minute))
				if got := status(t, presence, mark); got != domain.Busy || c.Now() != start {
					t.Errorf("right after the halt the answer is %v, and it is %v", got, c.Now())
				}
				if err := c.Ready(); errors.Is(err, ports.ErrLoading) != shared {
					t.Errorf("right after the halt Ready = %v", err)
				}
				beat(t, presence, anna, "away") // by the time that stands still
				time.Sleep(time.Second)
				synctest.Wait()
				for user, want := range map[domain.UserID]domain.Status{mark: domain.Busy, anna: domain.Away} {
					if got := status(t, presence, user); got != want || c.Ready() != nil || c.Now() != start.Add(10*time.Minute) {
						t.Errorf("after the halt %s is %v, Ready = %v, and it is %v", user, got, c.Ready(), c.Now())
					}
				}
				now.set(start.Add(13 * time.Minute))
				time.Sleep(time.Second)
				if p, _ := store.Presences(mark).On(web); p.Status != domain.Busy {
					t.Errorf("after another halt: %+v", p)
				}
			})
		})
	}
}

// TestAnotherDaemonsExpiryStands: who comes to a cluster holds nothing that another daemon is about to announce.
func TestAnotherDaemonsExpiryStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		presence := newPresence(t, store, clock.New())
		beat(t, presence, mark, "busy")
		time.Sleep(spreed.Expiry.After + 100*time.Millisecond)
		c, _ := serving(t, store, clock.New(), true)
		time.Sleep(time.Second)
		old, _ := store.Presences(mark).On(web)
		store.Elsewhere(t, 0, image.Write{User: mark, Old: old, New: old.At(clock.New().Now())})
		until(t, c)
		if got := status(t, presence, mark); got != domain.Unavailable {
			t.Errorf("another daemon has said that it is over, this one that it is %v", got)
		}
	})
}

// TestReadsGoOnIfNothingCanBeHeld: because the disk is full.
func TestReadsGoOnIfNothingCanBeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		beat(t, newPresence(t, store, clock.New()), mark, "busy")
		time.Sleep(10 * time.Minute)
		store.Journal.Before(1<<30, func() error { return ports.ErrUnavailable })
		c, _ := serving(t, store, clock.New(), false)
		time.Sleep(10 * time.Second)
		if err := c.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
	})
}

// TestManyAreHeldAtOnce: a start does not take an entry of the journal for each.
func TestManyAreHeldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 20_000
		store := coretest.Start(t)
		fill(t, store, users, domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy}, spreed.Expiry, clock.New().Now()))
		time.Sleep(10 * time.Minute)
		before := store.Journal.Appends.Load()
		c, stop := serving(t, store, clock.New(), false)
		until(t, c)
		stop()
		held, now := 0, clock.New().Now()
		store.Each(func(_ domain.UserID, all domain.Presences) bool {
			held += len(all.At(now))
			return all[0].At(now).Status == domain.Busy
		})
		if appends := store.Journal.Appends.Load() - before; held != users || appends > users/64 {
			t.Errorf("%d of %d are held, in %d entries", held, users, appends)
		}
	})
}
