package portstest

import (
	"cmp"
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

// followed is a journal with a Follow in progress. It is also its Replay, which keeps what it is given, and notes what may not be.
type followed struct {
	*running
	*record
	stage   JournalStage
	journal ports.Journal

	failEntry, failPiece int             // the first, second... entry or piece since Follow began is refused; 0: none
	onEntry              func(at uint64) // may be nil
	slow                 time.Duration   // how long CaughtUp takes
	calling              sync.Mutex      // is held during a call

	at         uint64 // of the snapshot
	pieces     []string
	first      uint64 // the number of the first entry
	entries    []string
	isCaughtUp bool
	kept       int // entries that were given before CaughtUp
}

// begin opens a journal, and lets f follow it. Whoever calls it cancels ctx, or sees Follow end.
func (s JournalStage) begin(ctx context.Context, t testing.TB, f *followed) *followed {
	t.Helper()
	f.stage, f.journal, f.record = s, s.Open(t), &record{}
	f.running = begin(ctx, t, "Follow", cmp.Or(s.patience, patience), f.record, func(ctx context.Context) error { return f.journal.Follow(ctx, f) })
	return f
}

// follow opens a journal, follows it, and waits for CaughtUp.
func (s JournalStage) follow(t testing.TB) *followed {
	t.Helper()
	f := s.begin(t.Context(), t, &followed{})
	f.caughtUp(t)
	return f
}

// fill follows a journal, and appends these entries.
func (s JournalStage) fill(t testing.TB, entries ...string) *followed {
	t.Helper()
	return s.follow(t).add(t, entries...)
}

// add appends entries one after the other, and waits until they are delivered.
func (f *followed) add(t testing.TB, entries ...string) *followed {
	t.Helper()
	f.mu.Lock()
	want := len(f.entries) + len(entries)
	f.mu.Unlock()
	for _, entry := range entries {
		f.append(t, entry)
	}
	f.await(t, want)
	return f
}

// again stops following, and follows the journal anew.
func (f *followed) again(t testing.TB) *followed {
	t.Helper()
	f.stop(t)
	return f.stage.follow(t)
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

func (f *followed) snapshot(t testing.TB, at uint64, pieces ...string) *followed {
	t.Helper()
	if err := f.journal.Snapshot(t.Context(), at, give(pieces...)); err != nil {
		t.Fatalf("Snapshot = %v", err)
	}
	return f
}

func (f *followed) caughtUp(t testing.TB) {
	t.Helper()
	f.awaitThat(t, func() string {
		if f.isCaughtUp {
			return ""
		}
		return "CaughtUp was not called"
	})
}

// await waits until that many entries were delivered since Follow began.
func (f *followed) await(t testing.TB, entries int) {
	t.Helper()
	f.awaitThat(t, func() string {
		if len(f.entries) >= entries {
			return ""
		}
		return fmt.Sprintf("%d of %d entries were delivered", len(f.entries), entries)
	})
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
	if err := f.returned(t, f.wait); !errors.Is(err, want) {
		t.Errorf("Follow = %v, want %v", err, want)
	}
	f.verify(t)
}

// call notes a call, which must be the only one.
func (f *followed) call(name string, take func()) {
	if !f.calling.TryLock() {
		f.mu.Lock()
		f.fault("%s is called during another call", name)
		f.mu.Unlock()
		f.calling.Lock()
	}
	defer f.calling.Unlock()
	f.note(name, take)
	if name == "CaughtUp" {
		time.Sleep(f.slow)
	}
}

// Piece implements ports.Replay.
func (f *followed) Piece(at uint64, piece []byte) (err error) {
	f.call("Piece", func() {
		switch {
		case f.isCaughtUp || len(f.entries) > 0:
			f.fault("a piece comes after an entry or after CaughtUp")
		case at == 0 || len(f.pieces) > 0 && at != f.at:
			f.fault("a piece is of the snapshot at %d, the one before of %d", at, f.at)
		}
		f.at, f.pieces = at, append(f.pieces, string(piece))
		if len(f.pieces) == f.failPiece {
			err = errReplay
		}
	})
	return err
}

// Entry implements ports.Replay.
func (f *followed) Entry(at uint64, entry []byte) (err error) {
	f.call("Entry", func() {
		if len(f.entries) == 0 {
			f.first = at
			if len(f.pieces) > 0 && at != f.at+1 {
				f.fault("the first entry after a snapshot at %d is number %d", f.at, at)
			}
		} else if want := f.first + uint64(len(f.entries)); at != want {
			f.fault("an entry is number %d, want %d", at, want)
		}
		f.entries = append(f.entries, string(entry))
		if len(f.entries) == f.failEntry {
			err = errReplay
		}
	})
	if f.onEntry != nil {
		f.onEntry(at)
	}
	return err
}

// CaughtUp implements ports.Replay.
func (f *followed) CaughtUp() {
	f.call("CaughtUp", func() {
		if f.isCaughtUp {
			f.fault("CaughtUp is called twice")
		}
		f.isCaughtUp, f.kept = true, len(f.entries)
	})
}

// Reset implements ports.Replay.
func (f *followed) Reset() {
	f.call("Reset", func() {
		if f.isCaughtUp {
			f.fault("Reset is called after CaughtUp")
		}
		f.at, f.pieces, f.first, f.entries = 0, nil, 0, nil
	})
}

// want fails unless exactly this was given: a snapshot, written as "number:piece,piece", and entries. Without a snapshot the entries begin with 1.
func (f *followed) want(t testing.TB, snapshot string, entries ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := ""
	if len(f.pieces) > 0 {
		got = fmt.Sprintf("%d:%s", f.at, strings.Join(f.pieces, ","))
	}
	if got != snapshot || !slices.Equal(f.entries, entries) {
		t.Errorf("the snapshot %.50q and the entries %.200q were given, want %.50q and %.200q", got, f.entries, snapshot, entries)
	}
}
