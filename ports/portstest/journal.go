package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// JournalStage is where a journal is tested: one store, which is empty at first.
type JournalStage struct {
	Open     func(t testing.TB) ports.Journal // another handle on that store; nobody follows it yet
	Survives bool                             // what was kept is there when it is opened again
	Shared   bool                             // several handles may be open at once

	patience time.Duration // 0: patience; the tests of the suite have less
}

// Journal checks everything that ports.Journal promises. It calls create once for each sentence of the contract.
func Journal(t *testing.T, create func(t testing.TB) JournalStage) {
	t.Helper()
	run(t, journalContract, create)
}

// surviving is a check that says nothing of a journal that keeps nothing.
func surviving(check func(testing.TB, JournalStage)) func(testing.TB, JournalStage) {
	return func(t testing.TB, s JournalStage) {
		if s.Survives {
			check(t, s)
		}
	}
}

// shared is a check that says nothing of a journal that only one can open.
func shared(check func(testing.TB, JournalStage)) func(testing.TB, JournalStage) {
	return func(t testing.TB, s JournalStage) {
		if s.Shared {
			check(t, s)
		}
	}
}

var journalContract = []contract[JournalStage]{
	{"an empty journal gives nothing but CaughtUp", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		f.stop(t)
		f.want(t, "")
	}},
	{"entries are numbered from 1 without gaps and delivered in order, own included", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		for i := range 20 {
			f.append(t, fmt.Sprintf("entry %d", i+1))
		}
		f.await(t, 20)
		if f.first != 1 {
			t.Errorf("the first entry is number %d", f.first)
		}
		for i, got := range f.entries {
			if want := fmt.Sprintf("entry %d", i+1); got != want {
				t.Errorf("entry %d is %q, want %q", i+1, got, want)
			}
		}
	}},
	{"Replay's methods are called one at a time", func(t testing.TB, s JournalStage) {
		f := s.begin(t.Context(), t, &followed{slow: 50 * time.Millisecond})
		f.caughtUp(t)
		f.add(t, "while CaughtUp is on its way")
	}},
	{"an entry may be empty, and have any bytes", func(t testing.TB, s JournalStage) {
		f := s.follow(t).add(t, "", "\x00\xff\r\n\x00")
		f.want(t, "", "", "\x00\xff\r\n\x00")
		if s.Survives {
			f.again(t).want(t, "", "", "\x00\xff\r\n\x00")
		}
	}},
	{"the entry is the caller's again when Append returns", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		buffer := []byte("first")
		f.appendBytes(t, buffer)
		copy(buffer, "xxxxx")
		f.await(t, 1)
		f.want(t, "", "first")
		if s.Survives {
			f.again(t).want(t, "", "first")
		}
	}},
	{"an entry as long as Limit is kept, a longer one is ErrTooLarge and is not kept", checkLargeEntries},
	{"an error of Entry ends Follow with it", func(t testing.TB, s JournalStage) {
		f := s.begin(t.Context(), t, &followed{failEntry: 2})
		f.caughtUp(t)
		f.append(t, "one")
		_ = f.journal.Append(t.Context(), []byte("two")) // kept or not, it is refused by the replay
		f.ended(t, errReplay)
	}},
	{"an error of Entry ends Follow with it while the journal is read", surviving(func(t testing.TB, s JournalStage) {
		s.fill(t, "one", "two", "three").stop(t)
		f := s.begin(t.Context(), t, &followed{failEntry: 2})
		f.ended(t, errReplay)
	})},
	{"an error of Piece ends Follow with it", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one").snapshot(t, 1, "a", "b")
		f.stop(t)
		f = s.begin(t.Context(), t, &followed{failPiece: 2})
		f.ended(t, errReplay)
	})},
	{"the end of ctx ends Follow promptly with its error; then nothing is delivered or taken", func(t testing.TB, s JournalStage) {
		f := s.follow(t).add(t, "one")
		f.stop(t)
		if err := f.journal.Append(t.Context(), []byte("two")); !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("Append = %v after Follow has returned, want ErrUnavailable", err)
		}
		f.want(t, "", "one")
		if s.Survives {
			s.follow(t).want(t, "", "one")
		}
	}},
	{"the end of ctx ends Follow also while the journal is read", surviving(func(t testing.TB, s JournalStage) {
		s.fill(t, "one", "two", "three").stop(t)
		ctx, cancel := context.WithCancel(t.Context())
		f := s.begin(ctx, t, &followed{onEntry: func(at uint64) {
			if at == 2 {
				cancel()
			}
		}})
		f.ended(t, context.Canceled)
		if f.isCaughtUp {
			t.Error("CaughtUp was called although ctx had ended")
		}
	})},
	{"what was kept is given again in order, then CaughtUp, once", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two")
		f = f.again(t)
		if f.want(t, "", "one", "two"); f.kept != 2 {
			t.Errorf("%d entries were given before CaughtUp, want 2", f.kept)
		}
		f.add(t, "three").again(t).want(t, "", "one", "two", "three")
	})},
	{"a snapshot stands for all entries up to its number: its pieces come in order, then later entries", surviving(func(t testing.TB, s JournalStage) {
		s.fill(t, "one", "two", "three").snapshot(t, 2, "a", "", "b").add(t, "four").again(t).want(t, "2:a,,b", "three", "four")
	})},
	{"a snapshot may have no piece", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two").snapshot(t, 1, "a").snapshot(t, 2).add(t, "three")
		f = f.again(t)
		if f.want(t, "", "three"); f.first != 3 {
			t.Errorf("the first entry is number %d, want 3", f.first)
		}
	})},
	{"a newer snapshot replaces the one before whole", surviving(func(t testing.TB, s JournalStage) {
		s.fill(t, "one", "two", "three").snapshot(t, 1, "a", "b", "c").snapshot(t, 3, "d").again(t).want(t, "3:d")
	})},
	{"a snapshot that is not newer changes nothing and is no error", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two", "three").snapshot(t, 2, "a", "b").snapshot(t, 2, "c").snapshot(t, 1, "d")
		f.again(t).want(t, "2:a,b", "three")
	})},
	{"an error of next ends Snapshot with it, and leaves the one before", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two", "three").snapshot(t, 1, "a", "b")
		if err := f.journal.Snapshot(t.Context(), 3, failing(errReplay, "x", "y", "z")); !errors.Is(err, errReplay) {
			t.Errorf("Snapshot = %v, want the error of next", err)
		}
		f.again(t).want(t, "1:a,b", "two", "three")
	})},
	{"the end of ctx ends Snapshot, and leaves the one before", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two", "three").snapshot(t, 1, "a", "b")
		ctx, cancel := context.WithCancel(t.Context())
		pieces := give("x", "y", "z")
		err := f.journal.Snapshot(ctx, 3, func() ([]byte, error) { piece, err := pieces(); cancel(); return piece, err })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Snapshot = %v, want context.Canceled", err)
		}
		f.again(t).want(t, "1:a,b", "two", "three")
	})},
	{"nothing of an interrupted snapshot is in a later one", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two")
		_ = f.journal.Snapshot(t.Context(), 2, failing(errReplay, "x", "y", "z"))
		f.again(t).snapshot(t, 2, "a").again(t).want(t, "2:a")
	})},
	{"a piece is the journal's only until next is called again", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one")
		buffer, pieces := make([]byte, 1), give("a", "b", "c")
		err := f.journal.Snapshot(t.Context(), 1, func() ([]byte, error) {
			buffer[0] = 'x'
			piece, err := pieces()
			copy(buffer, piece)
			return buffer, err
		})
		if err != nil {
			t.Fatal(err)
		}
		buffer[0] = 'x'
		f.again(t).want(t, "1:a,b,c")
	})},
	{"a piece as long as Limit is kept, a longer one is ErrTooLarge and leaves the snapshot before", surviving(checkLargePieces)},
	{"entries that are appended during a snapshot are delivered and kept", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two")
		pieces, number := give("a", "b"), 2
		err := f.journal.Snapshot(t.Context(), 2, func() ([]byte, error) {
			number++
			f.add(t, fmt.Sprint(number))
			return pieces()
		})
		if err != nil {
			t.Fatal(err)
		}
		f.again(t).want(t, "2:a,b", "3", "4", "5")
	})},
	{"a number is never given again, not even after all entries were replaced by a snapshot", surviving(func(t testing.TB, s JournalStage) {
		f := s.fill(t, "one", "two", "three").snapshot(t, 3, "a")
		for range 2 {
			f = f.again(t)
		}
		f.add(t, "four")
		if f.first != 4 {
			t.Errorf("the next entry is number %d, want 4", f.first)
		}
		f.again(t).want(t, "3:a", "four")
	})},
	{"all who share a journal get all entries in one order", shared(checkShared)},
	{"a snapshot of one does not disturb another one who follows", shared(func(t testing.TB, s JournalStage) {
		a, b := s.follow(t), s.follow(t)
		a.add(t, "one", "two")
		a.snapshot(t, 2, "a")
		b.append(t, "three")
		b.await(t, 3)
		b.want(t, "", "one", "two", "three")
		s.follow(t).want(t, "2:a", "three")
		b.snapshot(t, 3, "b")
		s.follow(t).want(t, "3:b")
	})},
}

func checkLargeEntries(t testing.TB, s JournalStage) {
	f := s.follow(t)
	limit := f.journal.Limit()
	if limit < 1<<20 {
		t.Errorf("Limit = %d, want a megabyte at least", limit)
	}
	large := bytes.Repeat([]byte("large..."), limit/8+1)
	if err := f.journal.Append(t.Context(), large[:limit+1]); !errors.Is(err, ports.ErrTooLarge) {
		t.Errorf("Append = %v for an entry of Limit+1 bytes, want ErrTooLarge", err)
	}
	f.appendBytes(t, large[:limit])
	f.await(t, 1)
	if s.Survives {
		f = f.again(t)
	}
	if len(f.entries) != 1 || f.entries[0] != string(large[:limit]) {
		t.Errorf("%d entries are there, want the one that was as long as Limit", len(f.entries))
	}
}

func checkLargePieces(t testing.TB, s JournalStage) {
	f := s.fill(t, "one", "two")
	large := bytes.Repeat([]byte("large..."), f.journal.Limit()/8+1)[:f.journal.Limit()+1]
	f.snapshot(t, 1, string(large[:len(large)-1]))
	if err := f.journal.Snapshot(t.Context(), 2, give("a", string(large))); !errors.Is(err, ports.ErrTooLarge) {
		t.Errorf("Snapshot = %v for a piece of Limit+1 bytes, want ErrTooLarge", err)
	}
	f = f.again(t)
	if got := f.pieces; len(got) != 1 || got[0] != string(large[:len(large)-1]) {
		t.Errorf("%d pieces are there, want the one that was as long as Limit", len(got))
	}
}

func checkShared(t testing.TB, s JournalStage) {
	const handles, each = 3, 20
	var followers []*followed
	for range handles {
		followers = append(followers, s.follow(t))
	}
	var writers sync.WaitGroup
	for i, f := range followers {
		writers.Go(func() {
			for n := range each {
				if err := f.journal.Append(t.Context(), fmt.Appendf(nil, "%d: %d", i, n)); err != nil {
					t.Errorf("Append = %v", err)
				}
			}
		})
	}
	writers.Wait()
	late := s.follow(t)
	for _, f := range append(followers, late) {
		f.await(t, handles*each)
		f.want(t, "", late.entries...)
	}
	next := make([]int, handles) // what each one has appended comes in its order
	for _, entry := range late.entries {
		var i, n int
		if _, err := fmt.Sscanf(entry, "%d: %d", &i, &n); err != nil || n != next[i] {
			t.Fatalf("there is an entry %q where %d: %d should be", entry, i, next[i])
		}
		next[i]++
	}
}

// give returns a next that gives the pieces, and then io.EOF.
func give(pieces ...string) func() ([]byte, error) { return failing(io.EOF, pieces...) }

// failing returns a next that gives the pieces, and then the error.
func failing(last error, pieces ...string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(pieces) == 0 {
			return nil, last
		}
		piece := pieces[0]
		pieces = pieces[1:]
		return []byte(piece), nil
	}
}
