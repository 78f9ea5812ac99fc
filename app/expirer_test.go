package app_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
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

// TestHowLateExpiriesAre counts each presence once, when it is written as expired.
func TestHowLateExpiriesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		expirer := app.NewExpirer(store.Core, store.Writer, clock.New(), quiet)
		statistics := app.NewStatistics(store.Core, nil, expirer, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { expirer.Run(ctx) })
		for _, user := range []domain.UserID{mark, anna} {
			beat(t, newPresence(t, store, clock.New()), user, "busy")
		}
		time.Sleep(10 * time.Minute)
		cancel()
		running.Wait()
		if got := statistics.Expiries().Read(); got.Count != 2 || got.Sum <= 0 || got.Sum > time.Second {
			t.Errorf("counted %d, late by %v in all", got.Count, got.Sum)
		}
	})
}

// expiring runs test in fake time with an expirer at work on a store in memory.
func expiring(t *testing.T, test func(t *testing.T, presence *app.Presence, store *coretest.Core)) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { app.NewExpirer(store.Core, store.Writer, clock.New(), quiet).Run(ctx) })
		synctest.Wait()
		test(t, newPresence(t, store, clock.New()), store)
		cancel()
		running.Wait()
	})
}

func beat(t *testing.T, presence *app.Presence, user domain.UserID, status string) {
	t.Helper()
	err := presence.Update(t.Context(), asService, []domain.Update{{User: string(user), Protocol: "spreed", Status: status, Message: "hello"}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExpiryIsAnnouncedWithinASecond(t *testing.T) {
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		beat(t, presence, mark, "busy")
		set, _ := store.Presences(mark).On(web)
		watch := store.Watch()
		defer watch.Close()
		changes, err := watch.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		late := time.Since(set.Expires.Time())
		p := changes[0].Presence
		if len(changes) != 1 || p.Status != domain.Unavailable || p.Message != "" || p.Since != set.Expires || p.Expires != 0 {
			t.Errorf("announced %+v", changes)
		}
		if late <= 0 || late > time.Second {
			t.Errorf("announced %v after the deadline, want within a second and not before", late)
		}
	})
}

func TestHeartbeatsKeepAPresence(t *testing.T) {
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		for range 20 {
			beat(t, presence, mark, "available")
			time.Sleep(spreed.Expiry.After - time.Millisecond)
		}
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Available || p.Revision != 1 {
			t.Errorf("after 20 heartbeats: %+v", p)
		}
		time.Sleep(2 * time.Second)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable || p.Revision != 2 {
			t.Errorf("after the last one has expired: %+v, want one change", p)
		}
	})
}

func TestEachExpiryIsOneChange(t *testing.T) {
	const users = 2000
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		for round := range 3 {
			for i := range users {
				beat(t, presence, domain.UserID(fmt.Sprintf("user%d@example.test", i)), []string{"busy", "away", "available"}[round])
			}
			time.Sleep(time.Second)
		}
		time.Sleep(spreed.Expiry.After)
		beat(t, presence, mark, "busy")
		p, _ := store.Presences(mark).On(web)
		if want := domain.Revision(3*users + users + 1); p.Revision != want {
			t.Errorf("revision %d after 3 changes and one expiry each of %d users, and one more: want %d", p.Revision, users, want)
		}
	})
}

func TestExpirerTakesOverWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		presence := newPresence(t, store, clock.New())
		beat(t, presence, mark, "busy")
		time.Sleep(time.Hour)
		beat(t, presence, anna, "busy")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { app.NewExpirer(store.Core, store.Writer, clock.New(), quiet).Run(ctx) })
		time.Sleep(time.Second)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable {
			t.Errorf("what expired before the start is %+v", p)
		}
		if p, _ := store.Presences(anna).On(web); p.Status != domain.Busy {
			t.Errorf("what holds is %+v", p)
		}
		cancel()
		running.Wait()
	})
}

// TestWhatChangesWhileTheExpirerStartsExpiresOnce: it finds the same change in what is stored as its watch tells. It asks for the time after the
// watch has begun, and before it looks at what is stored.
func TestWhatChangesWhileTheExpirerStartsExpiresOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		presence := newPresence(t, store, clock.New())
		beat(t, presence, mark, "busy")
		meanwhile := sync.OnceFunc(func() {
			beat(t, presence, mark, "away")
			beat(t, presence, anna, "away")
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { app.NewExpirer(store.Core, store.Writer, &busyClock{clock.New(), meanwhile}, quiet).Run(ctx) })
		time.Sleep(spreed.Expiry.After + 2*time.Second)
		for _, user := range []domain.UserID{mark, anna} {
			if p, _ := store.Presences(user).On(web); p.Status != domain.Unavailable {
				t.Errorf("%s is %+v, want expired", user, p)
			}
		}
		if made := store.Revision(); made != 5 {
			t.Errorf("revision %d after three changes and two expiries, want 5", made)
		}
		cancel()
		running.Wait()
	})
}

// busyClock is a clock that does something else first.
type busyClock struct {
	ports.Clock
	first func()
}

func (c *busyClock) Now() domain.Timestamp {
	c.first()
	return c.Clock.Now()
}

func TestExpirerOutlastsAnOutageOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		beat(t, newPresence(t, store, clock.New()), mark, "busy")
		store.Journal.Before(5, func() error { return ports.ErrUnavailable })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { app.NewExpirer(store.Core, store.Writer, clock.New(), quiet).Run(ctx) })
		time.Sleep(spreed.Expiry.After + 5*time.Second)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable {
			t.Errorf("after the outage: %+v", p)
		}
		cancel()
		running.Wait()
	})
}

func TestAHeartbeatAtTheLastMomentIsNotTheLastToExpire(t *testing.T) {
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		beat(t, presence, mark, "busy")
		time.Sleep(spreed.Expiry.After - time.Second)
		beaten := false
		store.Journal.Before(1, func() error { // another daemon is faster than the expirer
			old, _ := store.Presences(mark).On(web)
			store.Elsewhere(t, 0, image.Write{User: mark, Old: old, New: old.Observe(domain.Shown{Status: domain.Busy, Message: "hello"}, spreed.Expiry, clock.New().Now())})
			beaten = true
			return nil
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p, _ := store.Presences(mark).On(web); !beaten || p.Status != domain.Busy {
			t.Errorf("after a heartbeat at the last moment: %+v", p)
		}
		time.Sleep(spreed.Expiry.After)
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable {
			t.Errorf("after no further heartbeat: %+v", p)
		}
	})
}

// A machine without a battery for its clock starts in 1970.
func TestALeapOfTheClockTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := &atomicClock{}
		now.set(1)
		store := coretest.Start(t)
		beat(t, newPresence(t, store, now), mark, "busy")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { app.NewExpirer(store.Core, store.Writer, now, quiet).Run(ctx) })
		synctest.Wait()
		now.set(start)
		began := realTime()
		time.Sleep(time.Second)
		synctest.Wait()
		if p, _ := store.Presences(mark).On(web); p.Status != domain.Unavailable {
			t.Errorf("after the leap: %+v", p)
		}
		if took := realTime() - began; took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		cancel()
		running.Wait()
	})
}

// atomicClock is a clock that a test sets while others read it.
type atomicClock struct{ now atomic.Int64 }

func (c *atomicClock) Now() domain.Timestamp    { return domain.Timestamp(c.now.Load()) }
func (c *atomicClock) set(now domain.Timestamp) { c.now.Store(int64(now)) }

// realTime is the processor time of this process: in fake time there is no other.
func realTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestWhatWasSetByHandIsGoneAtItsEnd: also when its end was moved, earlier or later, while it held.
func TestWhatWasSetByHandIsGoneAtItsEnd(t *testing.T) {
	expiring(t, func(t *testing.T, _ *app.Presence, store *coretest.Core) {
		var end domain.Timestamp
		for _, after := range []time.Duration{10 * time.Minute, 30 * time.Minute, 20 * time.Minute} {
			old, _ := store.Presences(mark).On(domain.MustProtocol("manual"))
			now := clock.New().Now()
			end = now.Add(after)
			next := old.Observe(domain.Shown{Status: domain.Busy, Message: "until then"}, domain.ExpiryPolicy{Vanishes: true}, now).HoldUntil(end)
			if err := store.Apply(t.Context(), image.Write{User: mark, Old: old, New: next}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		watch := store.Watch()
		defer watch.Close()
		changes, err := watch.Next(t.Context())
		if err != nil || len(changes) != 1 || !changes[0].Presence.Removed || store.Presences(mark) != nil {
			t.Errorf("announced %+v, %v; stored is %+v", changes, err, store.Presences(mark))
		}
		if late := time.Since(end.Time()); late <= 0 || late > time.Second {
			t.Errorf("announced %v after the end", late)
		}
	})
}
