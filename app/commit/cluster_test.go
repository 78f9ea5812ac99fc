package commit_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/natstest"
)

// startCluster starts as many cores on one journal, as so many daemons have them.
func startCluster(t *testing.T, size int) []*coretest.Core {
	t.Helper()
	servers := natstest.Start(t, natstest.Options{Servers: 1})
	var cores []*coretest.Core
	for range size {
		config := nats.DefaultConfig()
		config.URL = servers.URL()
		cores = append(cores, coretest.StartOver(t, nats.New(config, slog.New(slog.DiscardHandler)), clock.New()))
	}
	return cores
}

// become waits until all cores say the same of a user.
func become(t *testing.T, cores []*coretest.Core, user domain.UserID, want func(domain.Presence) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(cores, func(c *coretest.Core) bool { return !want(stored(c, user, web)) }) {
			return
		}
		if time.Now().After(deadline) {
			for i, c := range cores {
				t.Errorf("core %d has %+v", i, stored(c, user, web))
			}
			return
		}
	}
}

// TestClusterCounts: of writes by several daemons on one presence none is lost, and none waits for another for ever.
func TestClusterCounts(t *testing.T) {
	const writers, rounds = 3, 40
	cores := startCluster(t, writers)
	var all sync.WaitGroup
	for _, c := range cores {
		all.Go(func() {
			for range rounds {
				err := c.Writer.Apply(t.Context(), func(writes []image.Write) ([]image.Write, error) {
					old := stored(c, alice, web)
					next := old
					next.Since++ // counts
					next.Message = fmt.Sprint(next.Since)
					return append(writes, image.Write{User: alice, Old: old, New: next}), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	become(t, cores, alice, func(p domain.Presence) bool { return p.Since == writers*rounds })
	revision := cores[0].Revision()
	if got := stored(cores[0], alice, web); got.Revision != revision || revision != writers*rounds {
		t.Errorf("after %d changes the revision is %d, the presence's %d", writers*rounds, revision, got.Revision)
	}
}

// TestClusterExpiry: whoever notices first, an expiry is one change.
func TestClusterExpiry(t *testing.T) {
	cores := startCluster(t, 3)
	now := clock.New()
	var running sync.WaitGroup
	for _, c := range cores {
		running.Go(func() { app.NewExpirer(c.Core, c.Writer, now, slog.New(slog.DiscardHandler)).Run(t.Context()) })
	}
	t.Cleanup(running.Wait)
	const users = 20
	policy := domain.ExpiryPolicy{After: 500 * time.Millisecond}
	for i := range users {
		none := domain.Presence{Protocol: web}
		put(t, cores[i%3], image.Write{User: numbered(i), Old: none, New: none.Observe(domain.Shown{Status: domain.Busy}, policy, now.Now())})
	}
	for i := range users {
		become(t, cores, numbered(i), func(p domain.Presence) bool { return p.Status == domain.Unavailable && p.Revision != 0 })
	}
	for i, c := range cores {
		if got := c.Revision(); got != 2*users {
			t.Errorf("core %d has revision %d after %d changes and as many expiries", i, got, users)
		}
	}
}
