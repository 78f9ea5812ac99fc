package portstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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

// Journal checks everything that ports.Journal promises. It calls create once for each sentence of the contract, and once more to see which
// sentences are about such a journal.
func Journal(t *testing.T, create func(t testing.TB) JournalStage) {
	run(t, journalContract, create)
	s := create(t)
	if s.Survives {
		run(t, survivingContract, create)
	}
	if s.Shared {
		run(t, sharedContract, create)
	}
}

// journalContract is what every journal keeps.
var journalContract = []contract[JournalStage]{
	{"an empty journal gives nothing but CaughtUp", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		f.stop(t)
		f.want(t, "0:")
	}},
	{"entries are numbered from 1 without gaps and delivered in order, own included", func(t testing.TB, s JournalStage) {
		entries := strings.Split("abcdefghijklmnopqrst", "")
		s.follow(t, entries...).want(t, "0:", entries...)
	}},
	{"Replay's methods are called one at a time", func(t testing.TB, s JournalStage) {
		f := s.begin(t.Context(), t, "CaughtUp", func() error { time.Sleep(50 * time.Millisecond); return nil })
		f.await(t, 0)
		f.add(t, "while CaughtUp is on its way")
	}},
	{"an entry may be empty, and have any bytes", func(t testing.TB, s JournalStage) {
		s.follow(t, "", "\x00\xff\r\n\x00").keeps(t, "", "\x00\xff\r\n\x00")
	}},
	{"the entry is the caller's again when Append returns", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		buffer := []byte("first")
		f.append(t, buffer)
		copy(buffer, "xxxxx")
		f.keeps(t, "first")
	}},
	{"an entry as long as Limit is kept, a longer one is ErrTooLarge and is not kept", func(t testing.TB, s JournalStage) {
		f := s.follow(t)
		if limit := f.journal.Limit(); limit < 1<<20 {
			t.Errorf("Limit = %d, want a megabyte at least", limit)
		}
		longest := f.longest()
		if err := f.journal.Append(t.Context(), []byte(longest+".")); !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("Append = %v for an entry of Limit+1 bytes, want ErrTooLarge", err)
		}
		f.add(t, longest).keeps(t, longest)
	}},
	{"an error of Entry ends Follow with it", func(t testing.TB, s JournalStage) {
		f := s.begin(t.Context(), t, "Entry 2", fail)
		f.await(t, 0)
		f.append(t, []byte("one"))
		_ = f.journal.Append(t.Context(), []byte("two")) // kept or not, it is refused by the replay
		f.ended(t, errReplay)
	}},
	{"the end of ctx ends Follow promptly with its error; then nothing is delivered or taken", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one")
		f.stop(t)
		if err := f.journal.Append(t.Context(), []byte("two")); !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("Append = %v after Follow has returned, want ErrUnavailable", err)
		}
		f.keeps(t, "one")
	}},
}

// survivingContract is what a journal keeps that can be opened again.
var survivingContract = []contract[JournalStage]{
	{"an error of Entry ends Follow with it while the journal is read", func(t testing.TB, s JournalStage) {
		s.follow(t, "one", "two", "three").stop(t)
		s.begin(t.Context(), t, "Entry 2", fail).ended(t, errReplay)
	}},
	{"an error of Piece ends Follow with it", func(t testing.TB, s JournalStage) {
		s.follow(t, "one").snapshot(t, 1, "a", "b").stop(t)
		s.begin(t.Context(), t, "Piece 2", fail).ended(t, errReplay)
	}},
	{"the end of ctx ends Follow also while the journal is read", func(t testing.TB, s JournalStage) {
		s.follow(t, "one", "two", "three").stop(t)
		ctx, cancel := context.WithCancel(t.Context())
		f := s.begin(ctx, t, "Entry 2", func() error { cancel(); return nil })
		if f.ended(t, context.Canceled); f.isCaughtUp {
			t.Error("CaughtUp was called although ctx had ended")
		}
	}},
	{"what was kept is given again in order, then CaughtUp, once", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two").again(t)
		if f.want(t, "0:", "one", "two"); f.kept != 2 {
			t.Errorf("%d entries were given before CaughtUp, want 2", f.kept)
		}
		f.add(t, "three").again(t).want(t, "0:", "one", "two", "three")
	}},
	{"a snapshot stands for all entries up to its number: its pieces come in order, then later entries", func(t testing.TB, s JournalStage) {
		s.follow(t, "one", "two", "three").snapshot(t, 2, "a", "", "b").add(t, "four").again(t).want(t, "2:a,,b", "three", "four")
	}},
	{"a snapshot may have no piece", func(t testing.TB, s JournalStage) {
		s.follow(t, "one", "two").snapshot(t, 1, "a").snapshot(t, 2).add(t, "three").again(t).want(t, "2:", "three")
	}},
	{"a newer snapshot replaces the one before whole", func(t testing.TB, s JournalStage) {
		s.follow(t, "one", "two", "three").snapshot(t, 1, "a", "b", "c").snapshot(t, 3, "d").again(t).want(t, "3:d")
	}},
	{"a snapshot that is not newer changes nothing and is no error", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two", "three").snapshot(t, 2, "a", "b").snapshot(t, 2, "c").snapshot(t, 1, "d")
		f.again(t).want(t, "2:a,b", "three")
	}},
	{"an error of next ends Snapshot with it, and leaves the one before", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two", "three").snapshot(t, 1, "a", "b")
		f.snapshotOf(t.Context(), t, 3, give(errReplay, "x", "y", "z"), errReplay)
		f.again(t).want(t, "1:a,b", "two", "three")
	}},
	{"the end of ctx ends Snapshot, and leaves the one before", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two", "three").snapshot(t, 1, "a", "b")
		ctx, cancel := context.WithCancel(t.Context())
		pieces := give(io.EOF, "x", "y", "z")
		f.snapshotOf(ctx, t, 3, func() ([]byte, error) { cancel(); return pieces() }, context.Canceled)
		f.again(t).want(t, "1:a,b", "two", "three")
	}},
	{"nothing of an interrupted snapshot is in a later one", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two")
		f.snapshotOf(t.Context(), t, 2, give(errReplay, "x", "y", "z"), errReplay)
		f.again(t).snapshot(t, 2, "a").again(t).want(t, "2:a")
	}},
	{"a piece is the journal's only until next is called again", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one")
		buffer, pieces := make([]byte, 1), give(io.EOF, "a", "b", "c")
		f.snapshotOf(t.Context(), t, 1, func() ([]byte, error) {
			buffer[0] = 'x'
			piece, err := pieces()
			copy(buffer, piece)
			return buffer, err
		}, nil)
		buffer[0] = 'x'
		f.again(t).want(t, "1:a,b,c")
	}},
	{"a piece as long as Limit is kept, a longer one is ErrTooLarge and leaves the snapshot before", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two")
		longest := f.longest()
		f.snapshot(t, 1, longest).snapshotOf(t.Context(), t, 2, give(io.EOF, "a", longest+"."), ports.ErrTooLarge)
		f.again(t).want(t, "1:"+longest, "two")
	}},
	{"entries that are appended during a snapshot are delivered and kept", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two")
		pieces, number := give(io.EOF, "a", "b"), 2
		f.snapshotOf(t.Context(), t, 2, func() ([]byte, error) {
			number++
			f.add(t, fmt.Sprint(number))
			return pieces()
		}, nil)
		f.again(t).want(t, "2:a,b", "3", "4", "5")
	}},
	{"a number is never given again, not even after all entries were replaced by a snapshot", func(t testing.TB, s JournalStage) {
		f := s.follow(t, "one", "two", "three").snapshot(t, 3, "a").again(t).again(t).add(t, "four")
		f.want(t, "3:a", "four")
		f.again(t).want(t, "3:a", "four")
	}},
}

// sharedContract is what a journal keeps that several follow at once.
var sharedContract = []contract[JournalStage]{
	{"all who share a journal get all entries in one order", func(t testing.TB, s JournalStage) {
		const each = 20
		followers := []*followed{s.follow(t), s.follow(t), s.follow(t)}
		entries := make([][]string, len(followers))
		var writers sync.WaitGroup
		for i, f := range followers {
			for n := range each {
				entries[i] = append(entries[i], fmt.Sprintf("%d: %d", i, n))
			}
			writers.Go(func() {
				for _, entry := range entries[i] {
					if err := f.journal.Append(t.Context(), []byte(entry)); err != nil {
						t.Errorf("Append = %v", err)
					}
				}
			})
		}
		writers.Wait()
		late := s.follow(t)
		late.await(t, len(followers)*each)
		for _, f := range followers {
			f.want(t, "0:", late.entries...)
		}
		for i, want := range entries { // what each one has appended comes in its order
			others := func(entry string) bool { return !slices.Contains(want, entry) }
			if got := slices.DeleteFunc(slices.Clone(late.entries), others); !slices.Equal(got, want) {
				t.Errorf("of number %d there are the entries %q", i, got)
			}
		}
	}},
	{"a snapshot of one does not disturb another one who follows", func(t testing.TB, s JournalStage) {
		a, b := s.follow(t), s.follow(t)
		a.add(t, "one", "two").snapshot(t, 2, "a")
		b.append(t, []byte("three"))
		b.want(t, "0:", "one", "two", "three")
		s.follow(t).want(t, "2:a", "three")
		b.snapshot(t, 3, "b")
		s.follow(t).want(t, "3:b")
	}},
}
