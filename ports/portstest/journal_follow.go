package portstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// errReplay is what the suite's replays and snapshots fail with.
var errReplay = errors.New("the suite's own error")

// followed is a journal with a Follow in progress.
type followed struct {
	journal ports.Journal
	seen    *replayed
	cancel  context.CancelFunc
	done    chan error
	wait    time.Duration
}

// begin opens a journal and follows it. Whoever calls it cancels ctx, or sees it end.
func (s JournalStage) begin(t testing.TB, ctx context.Context, seen *replayed) *followed {
	t.Helper()
	f := &followed{journal: s.Open(t), seen: seen, done: make(chan error, 1), wait: s.patience}
	if f.wait == 0 {
		f.wait = patience
	}
	ctx, f.cancel = context.WithCancel(ctx)
	f.seen.news = make(chan struct{}, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		err := f.journal.Follow(ctx, f.seen)
		f.seen.finish()
		f.done <- err
	}()
	t.Cleanup(func() {
		f.cancel()
		select {
		case <-gone:
		case <-time.After(f.wait):
			t.Errorf("Follow has not returned %v after its context has ended", f.wait)
		}
		f.seen.check(t)
	})
	return f
}

// follow opens a journal, follows it, and waits for CaughtUp.
func (s JournalStage) follow(t testing.TB) *followed {
	t.Helper()
	f := s.begin(t, t.Context(), &replayed{})
	f.caughtUp(t)
	return f
}

// fill follows a journal, and appends these entries.
func (s JournalStage) fill(t testing.TB, entries ...string) *followed {
	t.Helper()
	f := s.follow(t)
	for _, entry := range entries {
		f.append(t, entry)
	}
	f.await(t, len(entries))
	return f
}

func (f *followed) append(t testing.TB, entry string) {
	t.Helper()
	f.appendBytes(t, []byte(entry))
}

func (f *followed) appendBytes(t testing.TB, entry []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f.journal.Append(t.Context(), entry) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("Append = %v", err)
		}
	case <-time.After(f.wait):
		t.Fatalf("Append has not returned after %v", f.wait)
	}
}

func (f *followed) snapshot(t testing.TB, at uint64, pieces ...string) {
	t.Helper()
	if err := f.journal.Snapshot(t.Context(), at, give(pieces...)); err != nil {
		t.Fatalf("Snapshot = %v", err)
	}
}

func (f *followed) caughtUp(t testing.TB) {
	t.Helper()
	f.awaitThat(t, "CaughtUp", func(r *replayed) bool { return r.isCaughtUp })
}

// await waits until that many entries were delivered since Follow began.
func (f *followed) await(t testing.TB, entries int) {
	t.Helper()
	f.awaitThat(t, fmt.Sprintf("%d entries", entries), func(r *replayed) bool { return len(r.entries) >= entries })
}

func (f *followed) awaitThat(t testing.TB, what string, holds func(*replayed) bool) {
	t.Helper()
	timeout := time.After(f.wait)
	for {
		f.seen.mu.Lock()
		held := holds(f.seen)
		f.seen.mu.Unlock()
		if held {
			return
		}
		select {
		case <-f.seen.news:
		case err := <-f.done:
			t.Fatalf("Follow = %v while this was waited for: %s", err, what)
		case <-timeout:
			t.Fatalf("after %v there is not: %s", f.wait, what)
		}
	}
}

// stop ends Follow's context.
func (f *followed) stop(t testing.TB) {
	t.Helper()
	f.cancel()
	f.ended(t, context.Canceled)
}

// ended waits for Follow to return.
func (f *followed) ended(t testing.TB, want error) {
	t.Helper()
	select {
	case err := <-f.done:
		if !errors.Is(err, want) {
			t.Errorf("Follow = %v, want %v", err, want)
		}
	case <-time.After(f.wait):
		t.Fatalf("Follow has not returned after %v", f.wait)
	}
	f.seen.check(t)
}

// replayed is a Replay that keeps what it is given, and notes what may not be.
type replayed struct {
	failEntry, failPiece int             // the first, second... entry or piece since Follow began is refused; 0: none
	onEntry              func(at uint64) // may be nil
	news                 chan struct{}   // something was given
	slow                 time.Duration   // how long CaughtUp takes
	calling              sync.Mutex      // is held during a call

	mu         sync.Mutex
	at         uint64 // of the snapshot
	pieces     []string
	first      uint64 // the number of the first entry
	entries    []string
	isCaughtUp bool
	kept       int // entries that were given before CaughtUp
	finished   bool
	faults     []string
}

// call notes a call, which must be the only one.
func (r *replayed) call(name string, note func()) {
	if !r.calling.TryLock() {
		r.mu.Lock()
		r.fault("%s is called during another call", name)
		r.mu.Unlock()
		r.calling.Lock()
	}
	defer r.calling.Unlock()
	r.mu.Lock()
	if r.finished {
		r.fault("%s is called after Follow has returned", name)
	}
	note()
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	if name == "CaughtUp" {
		time.Sleep(r.slow)
	}
}

func (r *replayed) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// Piece implements ports.Replay.
func (r *replayed) Piece(at uint64, piece []byte) (err error) {
	r.call("Piece", func() {
		switch {
		case r.isCaughtUp || len(r.entries) > 0:
			r.fault("a piece comes after an entry or after CaughtUp")
		case at == 0 || len(r.pieces) > 0 && at != r.at:
			r.fault("a piece is of the snapshot at %d, the one before of %d", at, r.at)
		}
		r.at, r.pieces = at, append(r.pieces, string(piece))
		if len(r.pieces) == r.failPiece {
			err = errReplay
		}
	})
	return err
}

// Entry implements ports.Replay.
func (r *replayed) Entry(at uint64, entry []byte) (err error) {
	r.call("Entry", func() {
		if len(r.entries) == 0 {
			r.first = at
			if len(r.pieces) > 0 && at != r.at+1 {
				r.fault("the first entry after a snapshot at %d is number %d", r.at, at)
			}
		} else if want := r.first + uint64(len(r.entries)); at != want {
			r.fault("an entry is number %d, want %d", at, want)
		}
		r.entries = append(r.entries, string(entry))
		if len(r.entries) == r.failEntry {
			err = errReplay
		}
	})
	if r.onEntry != nil {
		r.onEntry(at)
	}
	return err
}

// CaughtUp implements ports.Replay.
func (r *replayed) CaughtUp() {
	r.call("CaughtUp", func() {
		if r.isCaughtUp {
			r.fault("CaughtUp is called twice")
		}
		r.isCaughtUp, r.kept = true, len(r.entries)
	})
}

// Reset implements ports.Replay.
func (r *replayed) Reset() {
	r.call("Reset", func() {
		if r.isCaughtUp {
			r.fault("Reset is called after CaughtUp")
		}
		r.at, r.pieces, r.first, r.entries = 0, nil, 0, nil
	})
}

func (r *replayed) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
}

// check fails if something was given that may not be.
func (r *replayed) check(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fault := range r.faults {
		t.Error(fault)
	}
}

// want fails unless exactly this was given: a snapshot, written as "number:piece,piece", and entries. Without a snapshot the entries begin with 1.
func (r *replayed) want(t testing.TB, snapshot string, entries ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := ""
	if len(r.pieces) > 0 {
		got = fmt.Sprintf("%d:%s", r.at, strings.Join(r.pieces, ","))
	}
	if got != snapshot || !slices.Equal(r.entries, entries) {
		t.Errorf("the snapshot %.50q and the entries %.200q were given, want %.50q and %.200q", got, r.entries, snapshot, entries)
	}
}
