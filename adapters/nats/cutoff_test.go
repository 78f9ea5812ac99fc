package nats_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// twoSided starts a server and two stores that share it, one of which can be cut off by a gate.
func twoSided(t *testing.T) (free, gated *nats.Store, gate *natstest.Gate) {
	t.Helper()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	gate = cluster.Servers[0].Gate(t)
	free, gated = joined(t, cluster.URL(), 1, nil), joined(t, gate.URL(), 1, nil)
	for i := range 20 {
		set(t, free, numbered(i), web, domain.Busy, "before")
	}
	converge(t, free, gated)
	return free, gated, gate
}

// awaitFailure waits until the store says that it cannot go on, and why.
func awaitFailure(t *testing.T, s *nats.Store, want string) {
	t.Helper()
	select {
	case err := <-s.Failed():
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the store has failed: %v; want it to say %q", err, want)
		}
	case <-time.After(time.Minute):
		t.Fatal("the store has not failed")
	}
	began := time.Now()
	p, _ := s.Presences(numbered(0)).On(web)
	err := s.Apply(t.Context(), []ports.Write{{User: numbered(0), Old: p, New: p.Remove(now())}})
	if took := time.Since(began); !errors.Is(err, ports.ErrUnavailable) || took > time.Second {
		t.Errorf("Apply of a store that has failed = %v after %v, want ErrUnavailable", err, took)
	}
}

// TestWhoWasCutOffCatchesUp: everything is there that was written meanwhile, also if a snapshot was made.
func TestWhoWasCutOffCatchesUp(t *testing.T) {
	t.Parallel()
	free, gated, gate := twoSided(t)
	w := gated.Watch(highest(gated))
	defer w.Close()
	before := image(gated)
	gate.Shut()
	for i := range 10 {
		set(t, free, numbered(i), web, domain.Away, "meanwhile")
	}
	if err := free.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	change(t, free, numbered(0), web, func(p domain.Presence) domain.Presence { return p.Remove(now()) })
	if !maps.Equal(before, image(gated)) {
		t.Error("a store that is cut off has changed")
	}
	gate.Open()
	converge(t, free, gated)
	seen := map[domain.UserID]domain.Presence{}
	for last := domain.Revision(0); last < highest(free) || len(seen) < 10 || !seen[numbered(0)].Removed; {
		changes, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Presence.Revision <= last {
				t.Errorf("revision %d told after %d", c.Presence.Revision, last)
			}
			last, seen[c.User] = c.Presence.Revision, c.Presence
		}
	}
}

// TestWhoWasCutOffForTooLongSaysSo: the entries that it needs are gone, so it keeps what it has, writes nothing any more, and fails; a new start
// makes all well.
func TestWhoWasCutOffForTooLongSaysSo(t *testing.T) {
	t.Parallel()
	free, gated, gate := twoSided(t)
	before := image(gated)
	gate.Shut()
	for round := range 3 {
		for i := range 10 {
			set(t, free, numbered(i), web, domain.Away, fmt.Sprint("meanwhile ", round))
		}
		if err := free.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gate.Open()
	awaitFailure(t, gated, "cut off for so long")
	if !maps.Equal(before, image(gated)) {
		t.Error("a store that has failed shows other things than before")
	}
	stop(t, gated)
	converge(t, free, joined(t, gate.URL(), 1, nil))
}

// TestAJournalThatWasReplacedIsNoticed: somebody has deleted it, and another daemon has begun a new one.
func TestAJournalThatWasReplacedIsNoticed(t *testing.T) {
	t.Parallel()
	free, gated, gate := twoSided(t)
	gate.Shut()
	if err := free.DeleteStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, free)
	cluster := gate.ServerURL()
	fresh := joined(t, cluster, 1, nil)
	for i := range 30 { // more entries than the old one had
		set(t, fresh, numbered(i), chat, domain.Busy, "new")
	}
	gate.Open()
	awaitFailure(t, gated, "replaced")
	for i := range 30 {
		if p, found := gated.Presences(numbered(i)).On(chat); found {
			t.Fatalf("the old store has taken in %+v of the new journal", p)
		}
	}
}

// TestSnapshotsAtTheSameTime: all stores make snapshots while they write, and stores that start meanwhile get it all right.
func TestSnapshotsAtTheSameTime(t *testing.T) {
	t.Parallel()
	cluster, stores := three(t)
	long := strings.Repeat("long ", 700)
	for i := range 200 { // three chunks
		set(t, stores[i%3], numbered(i), chat, domain.Busy, long)
	}
	if err := stores[0].WriteChunksOnly(t.Context()); err != nil { // its maker was killed
		t.Fatal(err)
	}
	l := begin(t, stores)
	var snapshots sync.WaitGroup
	ended := make(chan struct{})
	made := make([]int, len(stores))
	for i, s := range stores {
		snapshots.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				switch err := s.Snapshot(context.Background()); {
				case err == nil:
					made[i]++
					time.Sleep(400 * time.Millisecond) // it takes longer until the journal has grown, otherwise
				case !errors.Is(err, nats.ErrOvertaken):
					t.Errorf("store %d: %v", i, err)
				}
			}
		})
	}
	end := sync.OnceFunc(func() {
		close(ended)
		snapshots.Wait()
	})
	t.Cleanup(end)
	late := []*nats.Store{stores[0]}
	for range 5 {
		late = append(late, joined(t, cluster.URL(), 3, nil))
	}
	end()
	l.end()
	converge(t, late...)
	t.Logf("snapshots made: %v", made)
	if err := stores[0].Snapshot(t.Context()); err != nil && !errors.Is(err, nats.ErrOvertaken) {
		t.Fatal(err)
	}
	if there, held, err := stores[1].Chunks(t.Context()); err != nil || there[held] < 2 || len(there) > 2 {
		t.Errorf("there are the chunks of %v, of which %s holds, %v; want those of it and of the one before", there, held, err)
	}
	converge(t, stores[0], joined(t, cluster.URL(), 3, nil))
}
