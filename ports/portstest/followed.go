package portstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// errReplay is what the suite's replays and snapshots fail with.
var errReplay = errors.New("the suite's own error")

// followed is a journal with a Follow in progress. It is also its Replay, which keeps what it is given, and notes what may not be.
type followed struct {
	running
	stage   JournalStage
	journal ports.Journal
	calls   atomic.Int32 // in progress
	at      string       // a call, such as "Piece 2", "Entry 3", "CaughtUp"; it ends with hook
	hook    func() error

	pieces     []string
	entries    []string
	last       uint64 // the number of the last entry, or of the snapshot
	isCaughtUp bool
	isBehind   bool
	kept       int // entries that were given before CaughtUp
}

// begin opens a journal and follows it. The call to f of the name at ends with hook. Whoever calls begin cancels ctx, or sees Follow end.
func (s JournalStage) begin(ctx context.Context, t testing.TB, at string, hook func() error) *followed {
	t.Helper()
	f := &followed{running: running{name: "Follow", wait: cmp.Or(s.patience, patience)}, stage: s, journal: s.Open(t), at: at, hook: hook}
	f.begin(ctx, t, func(ctx context.Context) error { return f.journal.Follow(ctx, f) })
	return f
}

func fail() error { return errReplay }

// follow opens a journal, follows it, waits for CaughtUp, and appends entries.
func (s JournalStage) follow(t testing.TB, entries ...string) *followed {
	t.Helper()
	f := s.begin(t.Context(), t, "", nil)
	f.await(t, 0)
	return f.add(t, entries...)
}

// add appends entries one after the other, and waits until they are delivered.
func (f *followed) add(t testing.TB, entries ...string) *followed {
	t.Helper()
	f.mu.Lock()
	want := len(f.entries) + len(entries)
	f.mu.Unlock()
	for _, entry := range entries {
		f.append(t, []byte(entry))
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

// append appends an entry, for no longer than an Append may take.
func (f *followed) append(t testing.TB, entry []byte) {
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
	f.snapshotOf(t.Context(), t, at, give(io.EOF, pieces...), nil)
	return f
}

// snapshotOf makes a snapshot of what next gives, which is to return an error.
func (f *followed) snapshotOf(ctx context.Context, t testing.TB, at uint64, next func() ([]byte, error), want error) {
	t.Helper()
	if err := f.journal.Snapshot(ctx, at, next); !errors.Is(err, want) {
		t.Errorf("Snapshot = %v, want %v", err, want)
	}
}

// longest returns an entry, or a piece, that is as long as Limit.
func (f *followed) longest() string {
	return strings.Repeat("large...", f.journal.Limit()/8+1)[:f.journal.Limit()]
}

// give returns a next that gives the pieces, and then an error.
func give(last error, pieces ...string) func() ([]byte, error) {
	return func() (piece []byte, err error) {
		if len(pieces) == 0 {
			return nil, last
		}
		piece, pieces = []byte(pieces[0]), pieces[1:]
		return piece, nil
	}
}

// await waits until CaughtUp was called and that many entries were delivered.
func (f *followed) await(t testing.TB, entries int) {
	t.Helper()
	f.awaitThat(t, func() (bool, string) {
		return f.isCaughtUp && len(f.entries) >= entries,
			fmt.Sprintf("CaughtUp was called: %t; %d of %d entries were delivered", f.isCaughtUp, len(f.entries), entries)
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
}

// want waits for as many entries, and fails unless exactly this was given: a snapshot, written as "number:piece,piece" and as "0:" if there is
// none, and the entries with the numbers after that.
func (f *followed) want(t testing.TB, snapshot string, entries ...string) {
	t.Helper()
	f.await(t, len(entries))
	f.mu.Lock()
	defer f.mu.Unlock()
	got := fmt.Sprintf("%d:%s", f.last-uint64(len(f.entries)), strings.Join(f.pieces, ","))
	if got != snapshot || !slices.Equal(f.entries, entries) {
		t.Errorf("the snapshot %.50q and the entries %.200q were given, want %.50q and %.200q", got, f.entries, snapshot, entries)
	}
}

// keeps fails unless exactly these entries were given, and are given again if the journal survives.
func (f *followed) keeps(t testing.TB, entries ...string) {
	t.Helper()
	f.want(t, "0:", entries...)
	if f.stage.Survives {
		f.again(t).want(t, "0:", entries...)
	}
}

// call takes one call, which must be the only one in progress.
func (f *followed) call(name string, take func()) error {
	defer f.calls.Add(-1)
	f.note(name, func() {
		if f.calls.Add(1) > 1 {
			f.t.Errorf("%s is called during another call", name)
		}
		take()
	})
	if name == f.at {
		return f.hook()
	}
	return nil
}

func (f *followed) Piece(at uint64, piece []byte) error {
	return f.call(fmt.Sprintf("Piece %d", len(f.pieces)+1), func() {
		switch {
		case f.isCaughtUp || len(f.entries) > 0:
			f.t.Errorf("a piece comes after an entry or after CaughtUp")
		case at == 0 || len(f.pieces) > 0 && at != f.last:
			f.t.Errorf("a piece is of the snapshot at %d, the one before of %d", at, f.last)
		}
		f.last, f.pieces = at, append(f.pieces, string(piece))
	})
}

func (f *followed) Entry(at uint64, entry []byte) error {
	return f.call(fmt.Sprintf("Entry %d", at), func() {
		if at != f.last+1 && len(f.pieces)+len(f.entries) > 0 {
			f.t.Errorf("number %d comes after %d", at, f.last)
		}
		f.last, f.entries = at, append(f.entries, string(entry))
	})
}

func (f *followed) CaughtUp() {
	_ = f.call("CaughtUp", func() {
		if f.isCaughtUp {
			f.t.Errorf("CaughtUp is called twice")
		}
		f.isCaughtUp, f.kept = true, len(f.entries)
	})
}

func (f *followed) Behind(time.Time) {
	_ = f.call("Behind", func() {
		if !f.isCaughtUp || f.isBehind {
			f.t.Errorf("Behind is called before CaughtUp, or twice")
		}
		f.isBehind = true
	})
}

func (f *followed) Abreast() {
	_ = f.call("Abreast", func() {
		if !f.isBehind {
			f.t.Errorf("Abreast is called without Behind")
		}
		f.isBehind = false
	})
}

func (f *followed) Reset() {
	_ = f.call("Reset", func() {
		if f.isCaughtUp {
			f.t.Errorf("Reset is called after CaughtUp")
		}
		f.pieces, f.entries, f.last = nil, nil, 0
	})
}
