package nats_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// say makes a write of a user's presence.
func say(s ports.Store, user domain.UserID, message string) []ports.Write {
	old, _ := s.Presences(user).On(web)
	return []ports.Write{{User: user, Old: old, New: old.Observe(domain.Busy, message, domain.ExpiryPolicy{}, now())}}
}

// awaitWrite waits until a write of a user's presence is acknowledged.
func awaitWrite(t *testing.T, s *nats.Store, user domain.UserID, message string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := s.Apply(t.Context(), say(s, user, message))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s cannot be written any more: %v", user, err)
		}
	}
}

// TestACallerThatHasGoneBlocksNobody: a write that never arrived, and whose caller did not wait for that, keeps nobody from writing the same
// presence, or others, when the servers are back.
func TestACallerThatHasGoneBlocksNobody(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	s := joined(t, cluster.URL(), 1, nil)
	set(t, s, numbered(0), web, domain.Busy, "before")
	cluster.Servers[0].Freeze()
	const callers = 20 // more than are under way at a time
	for i := range callers {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := s.Apply(ctx, say(s, numbered(i), "during")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Apply = %v, want the context's error", err)
		}
		cancel()
	}
	cluster.Servers[0].Kill()
	cluster.Servers[0].Restart(t)
	for i := range callers {
		awaitWrite(t, s, numbered(i), "after")
	}
}

// TestNobodyWaitsForAnothersWriteForEver: who wants to write what is being written already is told in time that the store does not answer; to be
// told to look again, and to wait again, would never end.
func TestNobodyWaitsForAnothersWriteForEver(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	s := joined(t, cluster.URL(), 1, nil)
	set(t, s, numbered(1), web, domain.Busy, "before")
	cluster.Servers[0].Freeze()
	var writing sync.WaitGroup
	for i := range 3 {
		time.Sleep(50 * time.Millisecond)
		writing.Go(func() {
			began := time.Now()
			if err := s.Apply(t.Context(), say(s, numbered(1), fmt.Sprint(i))); !errors.Is(err, ports.ErrUnavailable) {
				t.Errorf("writer %d: Apply = %v, want ErrUnavailable", i, err)
			}
			if took := time.Since(began); took > 2*time.Second+slow*200*time.Millisecond {
				t.Errorf("writer %d: Apply took %v", i, took)
			}
		})
	}
	writing.Wait()
}

// TestWhatCouldNotBeSentIsForgotten: the engine in this process does not answer for longer than anybody waits. What could not be sent
// meanwhile keeps nobody from writing the same presences, or others, afterwards.
func TestWhatCouldNotBeSentIsForgotten(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.Lock()                                           // no answer is taken
	for _, users := range [][]int{{0, 1, 2}, {3, 4}} { // the first is sent, two wait behind it; two come when nobody waits for these any longer
		var writing sync.WaitGroup
		for _, i := range users {
			writing.Go(func() {
				if err := s.Apply(t.Context(), say(s, numbered(i), "during")); !errors.Is(err, ports.ErrUnavailable) {
					t.Errorf("Apply = %v, want ErrUnavailable", err)
				}
			})
			time.Sleep(50 * time.Millisecond)
		}
		writing.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); s.Queued() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d commits are kept that nobody waits for", s.Queued())
		}
	}
	s.Unlock()
	for i := range 5 {
		awaitWrite(t, s, numbered(i), "after")
	}
}

// TestAnAnswerIsLost: the connection to the engine in this process breaks again and again while many write, some of them the same. All of them can
// go on, what is in memory is what a restart finds, and nothing acknowledged is missing.
func TestAnAnswerIsLost(t *testing.T) {
	dir := t.TempDir()
	s := reopened(t, dir)
	const writers, users = 12, 5
	var ending atomic.Bool
	var writing sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[domain.UserID]domain.Timestamp{} // Since counts the changes
	for w := range writers {
		user := numbered(w % users)
		writing.Go(func() {
			for !ending.Load() {
				old, _ := s.Presences(user).On(web)
				next := old
				next.Protocol, next.Updated, next.Since = web, now(), old.Since+1
				old.Protocol = web
				if s.Apply(t.Context(), []ports.Write{{User: user, Old: old, New: next}}) == nil {
					mu.Lock()
					acknowledged[user] = max(acknowledged[user], next.Since)
					mu.Unlock()
				}
			}
		})
	}
	for round := range 40 {
		time.Sleep(20 * time.Millisecond)
		if err := s.Reconnect(); err != nil {
			t.Fatal(err)
		}
		awaitWrite(t, s, numbered(9), fmt.Sprint(round))
	}
	ending.Store(true)
	writing.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		reached, last, err := s.Behind(t.Context())
		if err == nil && reached == last {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the image is at entry %d, the journal at %d (%v)", reached, last, err)
		}
	}
	stop(t, s)
	again := reopened(t, dir)
	same(t, "after a restart", again, s)
	for user, count := range acknowledged {
		if p, _ := again.Presences(user).On(web); p.Since < count {
			t.Errorf("%s has had %d changes after a restart, %d were acknowledged", user, p.Since, count)
		}
	}
}

// TestAnEngineThatHasLostEntriesIsNoticed: nothing is acknowledged that would get the number of something else.
func TestAnEngineThatHasLostEntriesIsNoticed(t *testing.T) {
	for entries, want := range map[int]string{1: "entry 1 of the journal is not the one", 5: "entry 1, and this daemon has had 5"} {
		s := start(t, nil)
		for i := range entries {
			set(t, s, numbered(i), web, domain.Busy, "before")
		}
		if err := s.EmptyJournal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), say(s, numbered(0), "after")); !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("Apply = %v, want ErrUnavailable", err)
		}
		awaitFailure(t, s, want)
	}
}

// TestAnEngineThatDoesNotHaveWhatItCountsIsNoticed: nothing could be written any more, and nobody would know why.
func TestAnEngineThatDoesNotHaveWhatItCountsIsNoticed(t *testing.T) {
	t.Parallel() // it waits
	s := start(t, nil)
	if err := s.LoseEntry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), say(s, numbered(0), "after")); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Apply = %v, want ErrUnavailable", err)
	}
	awaitFailure(t, s, "entry 1 of the journal: ")
}
