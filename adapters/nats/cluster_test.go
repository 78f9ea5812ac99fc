package nats_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// joining makes a store, which has not been started, that joins a cluster.
func joining(t *testing.T, url string, replicas int, change func(*nats.Config), logs ...io.Writer) *nats.Store {
	t.Helper()
	cfg := nats.DefaultConfig()
	cfg.URL, cfg.Replicas = url, replicas
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s := nats.New(cfg, slog.New(slog.NewTextHandler(io.MultiWriter(append(logs, t.Output())...), nil)))
	t.Cleanup(func() {
		began := time.Now()
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Stop took %v", took)
		}
	})
	return s
}

// joined is joining, and starts the store.
func joined(t *testing.T, url string, replicas int, change func(*nats.Config), logs ...io.Writer) *nats.Store {
	t.Helper()
	s := joining(t, url, replicas, change, logs...)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for !s.Serves(ctx) {
		if ctx.Err() != nil {
			t.Fatal("the store has started, and takes no writes")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return s
}

// three starts a cluster of three servers, and three stores that share it.
func three(t *testing.T) (*natstest.Cluster, []*nats.Store) {
	t.Helper()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	return cluster, []*nats.Store{joined(t, cluster.URL(), 3, nil), joined(t, cluster.URL(), 3, nil), joined(t, cluster.URL(), 3, nil)}
}

// converge waits until all stores have the same, revisions included.
func converge(t *testing.T, stores ...*nats.Store) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		first, equal := image(stores[0]), true
		for _, s := range stores[1:] {
			equal = equal && maps.Equal(first, image(s))
		}
		if equal && len(first) > 0 {
			return
		}
		if time.Now().After(deadline) {
			for i, s := range stores {
				t.Errorf("store %d has\n%v", i, image(s))
			}
			t.FailNow()
		}
	}
}

// TestAWriteIsSeenEverywhere measures how long it takes until what one store has taken is told by the others.
func TestAWriteIsSeenEverywhere(t *testing.T) {
	_, stores := three(t)
	watches := make([]ports.Watch, len(stores))
	for i, s := range stores {
		watches[i] = s.Watch(0)
		defer watches[i].Close()
	}
	const writes = 300
	took := make([]time.Duration, 0, writes)
	for i := range writes {
		began := time.Now()
		set(t, stores[i%3], numbered(i%7), web, domain.Busy, fmt.Sprint(i))
		for _, w := range watches {
			changes, err := w.Next(t.Context())
			if err != nil || len(changes) != 1 || changes[0].Presence.Message != fmt.Sprint(i) {
				t.Fatalf("write %d: told %+v, %v", i, changes, err)
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	median, p99 := took[writes/2], took[writes*99/100]
	t.Logf("seen by all three stores after %v (median), %v (p99), %v at most", median, p99, took[writes-1])
	if limit := slow * 50 * time.Millisecond; p99 > limit {
		t.Errorf("p99 is %v, want %v at most", p99, limit)
	}
	converge(t, stores...)
}

// TestOneOfConflictingWritesWins: writers on all stores count in the same presences and in their own, and no count is lost.
func TestOneOfConflictingWritesWins(t *testing.T) {
	_, stores := three(t)
	const writers, rounds, shared = 4, 30, 3
	var writing sync.WaitGroup
	var mu sync.Mutex
	conflicts := 0
	for i, s := range stores {
		for w := range writers {
			own := domain.UserID(fmt.Sprintf("own%d.%d@example.test", i, w))
			writing.Go(func() {
				for round := range rounds {
					writes := []domain.UserID{own, numbered((round + w) % shared)}
					n := countUp(t, s, writes)
					mu.Lock()
					conflicts += n
					mu.Unlock()
				}
			})
		}
	}
	writing.Wait()
	t.Logf("%d conflicts", conflicts)
	if conflicts == 0 {
		t.Error("no write was in conflict with another: the test tests nothing")
	}
	converge(t, stores...)
	total := domain.Timestamp(0)
	for i := range shared {
		p, _ := stores[0].Presences(numbered(i)).On(web)
		total += p.Since
	}
	if want := domain.Timestamp(len(stores) * writers * rounds); total != want {
		t.Errorf("the shared presences count %d writes of %d", total, want)
	}
	for i := range stores {
		for w := range writers {
			if p, _ := stores[0].Presences(domain.UserID(fmt.Sprintf("own%d.%d@example.test", i, w))).On(web); p.Since != rounds {
				t.Errorf("the presence of writer %d of store %d counts %d writes of %d", w, i, p.Since, rounds)
			}
		}
	}
}

// countUp adds one to all of some presences at once, and returns how often it had to try again.
func countUp(t *testing.T, s *nats.Store, users []domain.UserID) (conflicts int) {
	for {
		writes := make([]ports.Write, 0, len(users))
		for _, user := range users {
			old, _ := s.Presences(user).On(web)
			old.Protocol = web
			next := old
			next.Updated = now()
			next.Since++
			next.Message = fmt.Sprint(next.Since)
			writes = append(writes, ports.Write{User: user, Old: old, New: next})
		}
		err := s.Apply(t.Context(), writes)
		if err == nil {
			return conflicts
		}
		if !errors.Is(err, ports.ErrConflict) {
			t.Error(err)
			return conflicts
		}
		conflicts++
	}
}

// highest returns the revision of the last change that a store has.
func highest(s ports.Store) (last domain.Revision) {
	for _, p := range image(s) {
		last = max(last, p.Revision)
	}
	return last
}

// TestAnExpiryIsOneChange: three stores notice that presences expire; the journal has one change of each, and all of them see that.
func TestAnExpiryIsOneChange(t *testing.T) {
	t.Parallel()
	_, stores := three(t)
	const users = 40
	for i := range users {
		change(t, stores[i%3], numbered(i), web, func(p domain.Presence) domain.Presence {
			return p.Observe(domain.Busy, "", domain.ExpiryPolicy{After: time.Second}, now())
		})
	}
	converge(t, stores...)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	told := make([]map[domain.Revision]domain.UserID, len(stores))
	for i, s := range stores {
		told[i] = map[domain.Revision]domain.UserID{}
		w := s.Watch(highest(s))
		running.Go(func() {
			if err := app.NewExpirer(s, clock.System{}, slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
				t.Error(err)
			}
		})
		running.Go(func() {
			defer w.Close()
			for {
				changes, err := w.Next(ctx)
				if err != nil {
					return
				}
				for _, c := range changes {
					told[i][c.Presence.Revision] = c.User
				}
			}
		})
	}
	time.Sleep(4 * time.Second) // nothing tells that no further change comes
	cancel()
	running.Wait()
	converge(t, stores...)
	for i, revisions := range told {
		seen := map[domain.UserID]int{}
		for _, user := range revisions {
			seen[user]++
		}
		if len(seen) != users || len(revisions) != users {
			t.Errorf("store %d has told %d changes of %d users, want one of each of %d", i, len(revisions), len(seen), users)
		}
	}
	changes, rejected, err := stores[0].Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records came too late", rejected)
	for i := range users {
		if n := changes[numbered(i)]; n != 2 {
			t.Errorf("%s has had %d changes, want two: to busy, and to unavailable", numbered(i), n)
		}
		if p, _ := stores[0].Presences(numbered(i)).On(web); p.Status != domain.Unavailable {
			t.Errorf("%s is %v", numbered(i), p.Status)
		}
	}
}
