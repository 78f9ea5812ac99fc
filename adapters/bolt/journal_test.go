package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	// bbolt leaves it behind when it panics, which only TestCutWhileRunning makes it do.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.etcd.io/bbolt.(*DB).freepages.func2"))
}

func TestContract(t *testing.T) {
	portstest.Journal(t, func(t testing.TB) portstest.JournalStage {
		dir := filepath.Join(t.TempDir(), "store")
		return portstest.JournalStage{Survives: true, Open: func(t testing.TB) ports.Journal { return open(t, dir) }}
	})
}

// open returns a journal in a directory, which logs to the test.
func open(t testing.TB, dir string) *bolt.Journal {
	t.Helper()
	return openLogging(t, dir, t.Output())
}

func openLogging(t testing.TB, dir string, log io.Writer) *bolt.Journal {
	t.Helper()
	j, err := bolt.New(bolt.Config{Dir: dir}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// started is a journal that is followed.
type started struct {
	*bolt.Journal
	tape *tape
	stop func() error  // ends Follow, and returns what that returned
	done chan struct{} // is closed when it has returned
}

// start follows a journal, and waits until it is caught up or has ended, with an error then.
func start(t testing.TB, j *bolt.Journal) (*started, error) {
	t.Helper()
	return startWith(t, j, &tape{caughtUp: make(chan struct{})})
}

func startWith(t testing.TB, j *bolt.Journal, to *tape) (*started, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{Journal: j, tape: to, done: make(chan struct{})}
	var err error
	go func() {
		defer close(s.done)
		err = j.Follow(ctx, s.tape)
	}()
	s.stop = func() error {
		cancel()
		<-s.done
		return err
	}
	t.Cleanup(func() { _ = s.stop() })
	select {
	case <-s.tape.caughtUp:
		return s, nil
	case <-s.done:
		cancel()
		return nil, err
	case <-time.After(time.Minute):
		t.Fatal("the journal is not caught up after a minute")
		return nil, nil
	}
}

// mustStart follows a journal in a directory.
func mustStart(t testing.TB, dir string) *started {
	t.Helper()
	s, err := start(t, open(t, dir))
	if err != nil {
		t.Fatalf("Follow = %v", err)
	}
	return s
}

// end stops the journal.
func (s *started) end(t testing.TB) {
	t.Helper()
	if err := s.stop(); !errors.Is(err, context.Canceled) {
		t.Fatalf("Follow = %v, want context.Canceled", err)
	}
}

// ended waits for Follow to return by itself.
func (s *started) ended(t testing.TB) error {
	t.Helper()
	select {
	case <-s.done:
		return s.stop()
	case <-time.After(time.Minute):
		t.Fatal("Follow has not returned after a minute")
		return nil
	}
}

func (s *started) append(t testing.TB, entry string) {
	t.Helper()
	if err := s.Append(t.Context(), []byte(entry)); err != nil {
		t.Fatalf("Append = %v", err)
	}
}

// tape keeps what a Replay is given, as one text for each.
type tape struct {
	counts   bool // what is given is counted, and not kept
	caughtUp chan struct{}

	mu           sync.Mutex
	given        []string
	count, bytes int
}

func (r *tape) note(kind string, at uint64, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count, r.bytes = r.count+1, r.bytes+len(data)
	if !r.counts {
		r.given = append(r.given, fmt.Sprintf("%s %d: %s", kind, at, data))
	}
	return nil
}

func (r *tape) Piece(at uint64, piece []byte) error { return r.note("piece", at, piece) }
func (r *tape) Entry(at uint64, entry []byte) error { return r.note("entry", at, entry) }
func (r *tape) CaughtUp()                           { close(r.caughtUp) }
func (*tape) Behind(time.Time)                      { panic("nobody else writes bolt") }
func (*tape) Abreast()                              { panic("nobody else writes bolt") }
func (*tape) Reset()                                { panic("bolt never begins anew") }

// all returns everything that was given, as one text.
func (r *tape) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.given, "\n")
}

// give returns a next that gives pieces of so many bytes.
func give(pieces, size int) func() ([]byte, error) {
	index := 0
	return func() ([]byte, error) {
		if index == pieces {
			return nil, io.EOF
		}
		index++
		return text(index, size), nil
	}
}

// text returns so many bytes that no other number has.
func text(number, size int) []byte {
	unit := fmt.Appendf(nil, "%d/%d ", number, size)
	return bytes.Repeat(unit, size/len(unit)+1)[:size]
}
