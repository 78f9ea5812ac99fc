// Package commit writes presences: it is the one way by which the image changes, for one daemon and for many. The use cases in package
// app call it.
//
// A caller plans its writes from the image. What several callers have planned goes into the journal as one entry, and one entry is on its
// way at a time. When it comes back from the journal, in the order that is the same for all daemons, it is applied to the image: the writes
// of a caller take effect together if all that they expect to replace is still there. If not, the caller plans anew.
package commit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Readiness = (*Writer)(nil)

// within is how long a caller waits at most until its writes have taken effect.
const within = 2 * time.Second

// Writer puts writes into a journal, and what comes from the journal into an image. It may be used concurrently.
type Writer struct {
	image   *image.Image
	journal ports.Journal
	clock   ports.Clock
	log     *slog.Logger
	origin  uint64 // tells our entries from those of other daemons

	loaded   chan struct{} // closed when all that was kept is in the image
	wake     chan struct{} // holds one token while there may be something to send
	complete chan struct{} // holds one token after as many callers have come as are expected
	arrived  chan struct{} // holds one token after a batch of ours was applied
	growth   growth
	pulse    pulse

	statistics statistics
	calls      sync.Pool // of *call

	mu       sync.Mutex // held for moments: not while anything is planned, sent or applied
	closed   bool
	gaps     gap
	queue    []*group             // what is to be sent next
	busy     map[image.Key]*group // the presences that are being written
	sent     map[uint64]*batch    // by number: on its way, or nobody knows
	number   uint64               // of the last batch
	expected int                  // how many callers there were when it was made

	entry   []byte // of the batch on its way; belongs to Run
	failing bool   // the log was told so; the same
}

// New makes a writer. Nothing happens before Run.
func New(img *image.Image, journal ports.Journal, clock ports.Clock, log *slog.Logger) *Writer {
	return &Writer{
		image:    img,
		journal:  journal,
		clock:    clock,
		log:      log,
		origin:   rand.Uint64(),
		loaded:   make(chan struct{}),
		wake:     make(chan struct{}, 1),
		complete: make(chan struct{}, 1),
		arrived:  make(chan struct{}, 1),
		busy:     make(map[image.Key]*group),
		sent:     make(map[uint64]*batch),
		pulse:    pulse{begin: time.Now()},
	}
}

// Loaded is closed when the image has all that was kept. Before that nothing can be written.
func (w *Writer) Loaded() <-chan struct{} { return w.loaded }

// Shared reports whether other daemons may write, too.
func (w *Writer) Shared() bool { return w.journal.Shared() }

// Ready implements ports.Readiness.
func (w *Writer) Ready() error {
	select {
	case <-w.loaded:
	default:
		return ports.ErrLoading
	}
	if w.journal.Shared() && (w.pulse.behind.Load() || w.pulse.halted(time.Now()) > 0) {
		return errCatchingUp
	}
	return nil
}

// Run loads what the journal keeps, and then follows and writes it until ctx ends. Then it returns nil. An error says why the daemon
// cannot go on: what it has in memory may not be true any more. To be called once.
func (w *Writer) Run(ctx context.Context) error {
	following, stop := context.WithCancelCause(ctx)
	followed := make(chan struct{})
	var beating sync.WaitGroup
	go func() {
		defer close(followed)
		stop(w.journal.Follow(following, &replay{writer: w, broken: stop, began: time.Now()}))
	}()
	select {
	case <-w.loaded:
		w.begin()
		beating.Go(func() { w.watchHalts(following) })
		w.send(following)
	case <-following.Done():
	}
	<-followed
	beating.Wait()
	w.close()
	if ctx.Err() == nil {
		return context.Cause(following)
	}
	return nil
}

// begin sees to it that an empty image has a revision (see append).
func (w *Writer) begin() {
	if w.image.Revision() != 0 {
		return
	}
	g := &group{done: make(chan struct{}, 1), left: true}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enqueue(g)
}

// Plan appends to into what is to be written, planned from the image as it is now: at most one write for each presence. It is called again if
// somebody else has written one of them meanwhile.
type Plan func(into []image.Write) ([]image.Write, error)

// Apply writes what plan wants to be written, all of it or nothing, and returns when it is kept as safely as the journal can. It returns within
// two seconds. No reference to the writes or their strings is kept.
//
// Nothing is planned later than that, nor once ctx has an error: somebody else may have written what was decided later. Before Apply plans anew
// it asks ctx.Err, also if ctx is not done.
//
// It returns plan's error, ports.ErrUnavailable if nothing can be written now, or nobody knows in time, ports.ErrTooLarge, or ctx's error.
func (w *Writer) Apply(ctx context.Context, plan Plan) error {
	if err := w.Ready(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	began := time.Now()
	if w.pulse.settling(began) {
		return errHalted
	}
	c := w.newCall(began)
	err := w.apply(ctx, c, plan)
	w.endCall(c) // not after a panic: its group may still be in a batch
	return err
}

func (w *Writer) apply(ctx context.Context, c *call, plan Plan) error {
	for again := false; ; again = true {
		if err := mayPlan(ctx, c.began, again); err != nil {
			return err
		}
		writes, err := plan(c.writes[:0])
		if err != nil || len(writes) == 0 {
			return err
		}
		c.writes = writes
		queued, busy, err := w.submit(c)
		switch {
		case err != nil:
			return err
		case queued:
			if err := w.wait(ctx, c); err != nil {
				return err
			}
			if !c.group.refused {
				return c.group.err
			}
		case busy != nil:
			if err := c.await(ctx, busy); err != nil {
				return err
			}
		}
	}
}

// mayPlan returns an error if it is too late to plan, or the caller has gone.
func mayPlan(ctx context.Context, began time.Time, again bool) error {
	if again {
		if time.Since(began) >= within {
			return fmt.Errorf("%w: %w", ports.ErrUnavailable, errLate)
		}
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
		return nil
	}
}

// Sync returns when the image has everything that any daemon has written before. It returns within two seconds: ports.ErrUnavailable, or
// ctx's error.
func (w *Writer) Sync(ctx context.Context) error { return w.Place(ctx) }

// Place keeps positions of exporters. It returns as Sync does.
func (w *Writer) Place(ctx context.Context, positions ...domain.Position) error {
	c := w.newCall(time.Now())
	c.group.positions = positions
	w.mu.Lock()
	w.enqueue(&c.group)
	w.mu.Unlock()
	err := w.wait(ctx, c)
	if err == nil {
		err = c.group.err
	}
	w.endCall(c) // see Apply
	return err
}

// submit queues the writes of a call if what they expect is there. If one of the presences is being written already, it returns a channel
// that is closed when that has ended.
func (w *Writer) submit(c *call) (queued bool, busy <-chan struct{}, err error) {
	g := &c.group
	g.begin(c.writes)
	if limit := w.journal.Limit() - headerSize; g.size() > limit {
		return false, nil, fmt.Errorf("%w: %d presences make %d bytes, and the journal takes %d", ports.ErrTooLarge, len(c.writes), g.size(), limit)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range c.writes {
		key := c.writes[i].Key()
		if before := w.busy[key]; before != nil {
			if before.after == nil {
				before.after = make(chan struct{})
			}
			return false, before.after, nil
		}
		user, holds := w.image.Holds(&c.writes[i])
		if !holds {
			return false, nil, nil
		}
		key.User = user
		g.keys = append(g.keys, key)
	}
	for _, k := range g.keys {
		w.busy[k] = g
	}
	w.enqueue(g)
	return true, nil, nil
}

// wait returns when the group of a call has ended. If that takes too long, the caller leaves it.
func (w *Writer) wait(ctx context.Context, c *call) error {
	err := c.await(ctx, c.group.done)
	if err == nil || w.leave(&c.group) {
		return err
	}
	<-c.group.done // or the next who uses the call would not wait
	return nil
}
