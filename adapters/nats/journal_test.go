package nats_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait for elections most of the time
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// replay keeps what Follow gives, and checks that it comes as promised.
type replay struct {
	t        *testing.T
	caughtUp chan struct{}
	refuse   error // of the next entry

	mu      sync.Mutex
	at      uint64
	pieces  []string
	entries []string // after the snapshot
	resets  int
	counted map[string]int // how often each entry was given
	caught  bool
	behind  time.Time // zero: the journal can be followed
}

func newReplay(t *testing.T) *replay {
	return &replay{t: t, caughtUp: make(chan struct{}), counted: map[string]int{}}
}

func (r *replay) Piece(at uint64, piece []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) > 0 || r.caught || len(r.pieces) > 0 && at != r.at {
		r.t.Errorf("a piece of the snapshot of %d after %d entries, %d pieces of %d", at, len(r.entries), len(r.pieces), r.at)
	}
	r.at, r.pieces = at, append(r.pieces, string(piece))
	return nil
}

func (r *replay) Entry(at uint64, entry []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at != r.at+1 {
		r.t.Errorf("entry %d was given after %d", at, r.at)
	}
	r.at, r.entries = at, append(r.entries, string(entry))
	r.counted[string(entry)]++
	return r.refuse
}

func (r *replay) CaughtUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caught = true
	close(r.caughtUp)
}

func (r *replay) Behind(after time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.caught || !r.behind.IsZero() {
		r.t.Error("Behind before CaughtUp, or twice")
	}
	r.behind = after
}

func (r *replay) Abreast() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.behind.IsZero() {
		r.t.Error("Abreast without Behind")
	}
	r.behind = time.Time{}
}

func (r *replay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.caught {
		r.t.Error("Reset after CaughtUp")
	}
	r.at, r.pieces, r.entries, r.resets = 0, nil, nil, r.resets+1
	clear(r.counted)
}

// position returns the number of the last entry that was given, or that the snapshot stands for.
func (r *replay) position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// count returns how often an entry was given.
func (r *replay) count(entry string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counted[entry]
}

// all returns everything that was given: each piece that the tests make holds entries, one a line.
func (r *replay) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, piece := range r.pieces {
		lines = append(lines, strings.Split(piece, "\n")...)
	}
	return append(lines, r.entries...)
}

// daemon is a journal that is followed.
type daemon struct {
	*nats.Journal
	*replay
	stop  context.CancelFunc
	ended chan error // what Follow has returned
}

// launch follows a journal of a cluster, and does not wait for anything. Follow has to return at once when the test ends.
func launch(t *testing.T, url string, change func(*nats.Config), logs ...io.Writer) *daemon {
	t.Helper()
	cfg := nats.DefaultConfig()
	cfg.URL = url
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{
		Journal: nats.New(cfg, slog.New(slog.NewTextHandler(io.MultiWriter(append(logs, t.Output())...), nil))),
		replay:  newReplay(t),
		ended:   make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.ended <- d.Follow(ctx, d.replay)
	}()
	t.Cleanup(func() {
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took > slow*time.Second {
			t.Errorf("Follow took %v to end", took)
		}
	})
	return d
}

// open is launch, and waits until the journal has caught up and takes entries.
func open(t *testing.T, url string, change func(*nats.Config), logs ...io.Writer) *daemon {
	t.Helper()
	d := launch(t, url, change, logs...)
	select {
	case <-d.caughtUp:
	case err := <-d.ended:
		t.Fatalf("Follow = %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the journal does not catch up")
	}
	d.awaitAppend("ready")
	return d
}

func replicas(n int) func(*nats.Config) { return func(c *nats.Config) { c.Replicas = n } }

// close ends Follow, and expects it to return the context's error.
func (d *daemon) close() {
	d.t.Helper()
	d.stop()
	if err := <-d.ended; !errors.Is(err, context.Canceled) {
		d.t.Errorf("Follow = %v, want the context's error", err)
	}
}

// append appends an entry, and waits until it was given.
func (d *daemon) append(entry string) {
	d.t.Helper()
	if err := d.Append(d.t.Context(), []byte(entry)); err != nil {
		d.t.Fatalf("Append of %.80q = %v", entry, err)
	}
	d.awaitEntry(entry)
}

// awaitAppend appends until it succeeds, and waits until the entry was given.
func (d *daemon) awaitAppend(entry string) {
	d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := d.Append(d.t.Context(), []byte(entry))
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("nothing can be appended: %v", err)
		}
	}
	d.awaitEntry(entry)
}

func (d *daemon) awaitEntry(entry string) {
	d.t.Helper()
	d.await(fmt.Sprintf("entry %.80q was not given", entry), func() bool { return d.count(entry) > 0 })
}

func (d *daemon) await(otherwise string, holds func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatal(otherwise)
		}
	}
}

// snapshot makes a snapshot of all that was given, with some entries in each piece.
func (d *daemon) snapshot() error {
	d.mu.Lock()
	at := d.at
	d.mu.Unlock()
	return d.Snapshot(context.Background(), at, pieces(d.all()))
}

// pieces gives lines, ten in a piece.
func pieces(lines []string) func() ([]byte, error) {
	chunks := slices.Collect(slices.Chunk(lines, 10))
	return func() ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		piece := []byte(strings.Join(chunks[0], "\n"))
		chunks = chunks[1:]
		return piece, nil
	}
}

// equal waits until all daemons were given the same.
func equal(t *testing.T, daemons ...*daemon) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		first, same := daemons[0].all(), true
		for _, d := range daemons[1:] {
			same = same && slices.Equal(first, d.all())
		}
		if same {
			return
		}
		if time.Now().After(deadline) {
			for i, d := range daemons {
				t.Errorf("daemon %d has %d lines: %.2000q", i, len(d.all()), d.all())
			}
			t.FailNow()
		}
	}
}

// three starts a cluster of three servers, and three daemons that share it.
func three(t *testing.T) (*natstest.Cluster, []*daemon) {
	t.Helper()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	return cluster, []*daemon{open(t, cluster.URL(), replicas(3)), open(t, cluster.URL(), replicas(3)), open(t, cluster.URL(), replicas(3))}
}

// TestAllGetAllInOneOrder: what several daemons append at the same time all of them are given in the same order, each entry once.
func TestAllGetAllInOneOrder(t *testing.T) {
	_, daemons := three(t)
	const each = 200
	var appending sync.WaitGroup
	for i, d := range daemons {
		appending.Go(func() {
			for n := range each {
				if err := d.Append(t.Context(), fmt.Appendf(nil, "%d of %d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	appending.Wait()
	daemons[0].await("not all entries were given", func() bool { return len(daemons[0].all()) >= 3*each+3 })
	equal(t, append(daemons, open(t, daemons[0].URL(), replicas(3)))...)
	for i := range daemons {
		for n := range each {
			if count := daemons[0].count(fmt.Sprintf("%d of %d", n, i)); count != 1 {
				t.Errorf("entry %d of daemon %d was given %d times", n, i, count)
			}
		}
	}
}

// TestAnEntryIsSeenEverywhere measures how long it takes until what one daemon appends is given to all.
func TestAnEntryIsSeenEverywhere(t *testing.T) {
	_, daemons := three(t)
	const entries = 300
	took := make([]time.Duration, 0, entries)
	for i := range entries {
		began := time.Now()
		daemons[i%3].append(fmt.Sprint(i))
		for _, d := range daemons {
			for d.count(fmt.Sprint(i)) == 0 {
				if time.Since(began) > 30*time.Second {
					t.Fatalf("entry %d was not given to all", i)
				}
				time.Sleep(100 * time.Microsecond)
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	median, p99 := took[entries/2], took[entries*99/100]
	t.Logf("given to all three daemons after %v (median), %v (p99), %v at most", median, p99, took[entries-1])
	if limit := slow * 50 * time.Millisecond; p99 > limit {
		t.Errorf("p99 is %v, want %v at most", p99, limit)
	}
}

// TestALargeJournal: 300 entries of about a megabyte each, which is more than a server sends to a client at once, are there after every one of
// 20 starts.
func TestALargeJournal(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: "max_payload: 8MB"})
	d := open(t, cluster.URL(), nil)
	const entries, size = 300, 1 << 20
	large := make([]byte, size)
	for range entries {
		if err := d.Append(t.Context(), large); err != nil {
			t.Fatal(err)
		}
	}
	last := d.position()
	d.close()
	for range 20 {
		counting := &counter{caughtUp: make(chan struct{})}
		journal := nats.New(nats.Config{URL: cluster.URL(), Bucket: "presence", Replicas: 1}, slog.New(slog.NewTextHandler(t.Output(), nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		began := time.Now()
		go func() { ended <- journal.Follow(ctx, counting) }()
		select {
		case <-counting.caughtUp:
		case <-time.After(time.Minute):
			t.Error("the journal does not catch up")
		}
		t.Logf("caught up after %v", time.Since(began).Round(time.Millisecond))
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if counting.bytes < entries*size || counting.last < last {
			t.Errorf("%d bytes were given up to entry %d, want %d up to %d", counting.bytes, counting.last, entries*size, last)
		}
	}
}

// counter counts the bytes that it is given.
type counter struct {
	caughtUp chan struct{}
	bytes    int
	last     uint64
}

func (c *counter) Piece(_ uint64, piece []byte) error { c.bytes += len(piece); return nil }
func (c *counter) Entry(at uint64, entry []byte) error {
	c.bytes, c.last = c.bytes+len(entry), at
	return nil
}
func (c *counter) CaughtUp()      { close(c.caughtUp) }
func (*counter) Behind(time.Time) {}
func (*counter) Abreast()         {}
func (c *counter) Reset()         { c.bytes, c.last = 0, 0 }

// TestARefusedEntryEndsFollow: what the Replay says is what Follow says.
func TestARefusedEntryEndsFollow(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	d := open(t, cluster.URL(), nil)
	refused := errors.New("of a later version")
	d.mu.Lock()
	d.refuse = refused
	d.mu.Unlock()
	began := time.Now()
	if err := d.Append(t.Context(), []byte("later")); errors.Is(err, ports.ErrUnavailable) || time.Since(began) > slow*time.Second {
		t.Errorf("Append of an entry that was given = %v after %v", err, time.Since(began))
	}
	if err := <-d.ended; !errors.Is(err, refused) {
		t.Errorf("Follow = %v, want %v", err, refused)
	}
	if err := d.Append(t.Context(), []byte("after the end")); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Append after Follow has ended = %v, want ErrUnavailable", err)
	}
	again := launch(t, cluster.URL(), nil) // while loading, too
	again.mu.Lock()
	again.refuse = refused
	again.mu.Unlock()
	if err := <-again.ended; !errors.Is(err, refused) {
		t.Errorf("Follow = %v, want %v", err, refused)
	}
}
