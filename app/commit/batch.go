package commit

import (
	"context"
	"errors"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// batch is groups that are one entry.
type batch struct {
	number   uint64
	groups   []*group // none once it was delivered
	doubtful bool     // nobody knows whether it is kept; guarded by Writer.mu
}

// How long callers are waited for.
const (
	leastGather = 200 * time.Microsecond // if the journal is faster, a second entry costs less than waiting
	mostGather  = 20 * time.Millisecond
	burstGather = 2 * time.Millisecond  // for the first of many to come again
	oneCaller   = 40 * time.Microsecond // until one more has come, if they come as fast as the processors can serve them
)

// Sizes in bytes.
const (
	headerSize = 64      // more than a header takes
	usualBatch = 1 << 20 // of a batch of several groups: what comes later need not wait for more
)

// enqueue queues a group. The lock is held.
func (w *Writer) enqueue(g *group) {
	if w.closed {
		w.end(g, ports.ErrUnavailable)
		return
	}
	w.queue = append(w.queue, g)
	put(w.wake)
	if len(w.queue) == w.expected {
		put(w.complete)
	}
}

// put puts a token into a channel that holds one.
func put(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// send makes batches of what is queued until ctx ends.
func (w *Writer) send(ctx context.Context) {
	for {
		for b := w.next(); b != nil && ctx.Err() == nil; b = w.next() {
			began := time.Now()
			if w.pulse.halted(began) > 0 {
				w.refuse(b, errHalted)
				continue
			}
			w.append(ctx, b, began)
			w.gather(ctx, time.Since(began))
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

// gather waits until there are as many callers as the last batch had. Those whose writes were kept often come again at once, and the journal
// keeps one large entry faster than two (see BenchmarkDurable in adapters/http). It waits as long as the last batch took, or a little longer after a
// large one, and then only while callers come at half the speed at least with which the processors can serve them.
func (w *Writer) gather(ctx context.Context, took time.Duration) {
	if took < leastGather {
		return
	}
	expected, came := w.expect()
	if came >= expected {
		return
	}
	began, patience := time.Now(), min(time.Duration(expected)*oneCaller, burstGather)
	enough := time.NewTimer(min(max(took, patience), mostGather))
	defer enough.Stop()
	for {
		select {
		case <-w.complete:
			return
		case <-ctx.Done():
			return
		case <-enough.C:
		}
		_, came := w.expect()
		waited := time.Since(began)
		left := patience + time.Duration(came)*2*oneCaller - waited
		if left <= 0 || waited >= mostGather {
			return
		}
		enough.Reset(max(left, leastGather))
	}
}

// expect returns how many callers the last batch had, and how many are there now. If these are fewer, complete tells when there are as many.
func (w *Writer) expect() (expected, came int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) < w.expected {
		select {
		case <-w.complete: // of an earlier time
		default:
		}
	}
	return w.expected, len(w.queue)
}

// next makes a batch of the groups that somebody still waits for: nil if there are none.
func (w *Writer) next() *batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	b := &batch{groups: make([]*group, 0, len(w.queue))}
	size, taken, most := headerSize, 0, min(usualBatch, w.journal.Limit())
	for _, g := range w.queue {
		if len(b.groups) > 0 && size+g.size() > most {
			break
		}
		taken++
		if g.ended {
			continue
		}
		g.batch = b
		b.groups = append(b.groups, g)
		size += g.size()
	}
	left := copy(w.queue, w.queue[taken:])
	clear(w.queue[left:])
	w.queue = w.queue[:left]
	if len(b.groups) == 0 {
		return nil
	}
	w.expected = len(b.groups) + left
	w.number++
	b.number = w.number
	w.sent[b.number] = b
	return b
}

// append appends a batch to the journal, and returns when it is applied, or what becomes of it is not to be waited for. It began just now.
func (w *Writer) append(ctx context.Context, b *batch, began time.Time) {
	header := image.Header{Origin: w.origin, Number: b.number}
	if w.image.Revision() == 0 {
		// Revisions that were told before a restart of a store in memory are not to be given again: nobody makes a million changes a second.
		header.Revision = domain.Revision(w.clock.Now() / 1000) //nolint:gosec // it is later than 1970
	}
	for _, g := range b.groups {
		header.Positions = append(header.Positions, g.positions...)
	}
	w.entry = image.AppendHeader(w.entry[:0], header)
	for _, g := range b.groups {
		w.entry = append(w.entry, g.entry...)
	}
	err := w.journal.Append(ctx, w.entry)
	w.statistics.appended(time.Since(began), err)
	if cap(w.entry) > usualBatch {
		w.entry = nil
	}
	w.complain(err)
	switch {
	case err == nil:
		w.awaitDelivery(ctx, b)
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrTooLarge):
		w.refuse(b, err)
	default:
		w.doubt(b)
	}
}

// delivered ends the groups of a batch that has come back from the journal and was applied.
func (w *Writer) delivered(number uint64, applied []bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.sent[number]
	if b == nil {
		return // everybody has left
	}
	at := 0
	for _, g := range b.groups {
		if len(g.keys) > 0 {
			g.refused = !applied[at]
			at++
		}
		w.end(g, nil)
	}
	b.groups = nil // later calls use them, and append may yet doubt the batch
	delete(w.sent, number)
	put(w.arrived)
}

// awaitDelivery returns when a batch that is kept has been applied, or ctx ends.
func (w *Writer) awaitDelivery(ctx context.Context, b *batch) {
	for {
		w.mu.Lock()
		_, sent := w.sent[b.number]
		w.mu.Unlock()
		if !sent {
			return
		}
		select {
		case <-w.arrived:
		case <-ctx.Done():
			return
		}
	}
}

// refuse ends the groups of a batch that was not kept.
func (w *Writer) refuse(b *batch, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range b.groups {
		w.end(g, err)
	}
	delete(w.sent, b.number)
}

// doubt lets others write the presences of a batch that may have been kept, once its callers have left. If it was kept it comes before what
// others write, which is refused then.
func (w *Writer) doubt(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b.doubtful = true
	w.abandon(b)
}

// abandon ends the groups of a doubtful batch that nobody waits for, and forgets the batch if there are no others. The lock is held.
func (w *Writer) abandon(b *batch) {
	waiting := false
	for _, g := range b.groups {
		if g.left {
			w.end(g, errLate)
		}
		waiting = waiting || !g.ended
	}
	if !waiting {
		delete(w.sent, b.number)
	}
}

// leave notes that a group's caller does not wait any longer. It returns false if the group has ended meanwhile.
func (w *Writer) leave(g *group) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.ended {
		return false
	}
	g.left = true
	switch {
	case g.batch == nil:
		w.end(g, errLate)
	case g.batch.doubtful:
		w.abandon(g.batch)
	}
	return true
}

// end ends a group, once. The lock is held.
func (w *Writer) end(g *group, err error) {
	if g.ended {
		return
	}
	for _, k := range g.keys {
		delete(w.busy, k)
	}
	g.err, g.ended = err, true
	if g.after != nil {
		close(g.after)
	}
	put(g.done)
}

// close ends everything that is queued or on its way, and what comes later.
func (w *Writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, g := range w.queue {
		w.end(g, ports.ErrUnavailable)
	}
	for _, b := range w.sent {
		for _, g := range b.groups {
			w.end(g, ports.ErrUnavailable)
		}
	}
	clear(w.sent)
	w.queue = nil
}
