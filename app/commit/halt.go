package commit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/ports"
)

// A daemon may be halted for a while: by SIGSTOP, or with its machine. When it goes on it does not know at once that others have gone on without
// it. What it has of an earlier time would overwrite what they have written: requests whose clients have gone, or what a source has seen.
const (
	beatEvery   = time.Second     // between two beats
	haltedAfter = 2 * time.Second // a beat that is so old says that the daemon was halted

	// settle is how long nothing is written after a halt. Until then every request has been read that was waiting when the daemon went on.
	settle = time.Second
)

var (
	errHalted     = fmt.Errorf("%w: the daemon was halted for a while", ports.ErrUnavailable)
	errCatchingUp = fmt.Errorf("%w: the daemon was halted for a while, and catches up", ports.ErrLoading)
)

// pulse notices that the process was halted: its beat is missing. Times are since begin, by the monotonic clock.
type pulse struct {
	begin time.Time
	beat  atomic.Int64 // when the last one was
	until atomic.Int64 // until when nothing is written

	behind atomic.Bool // what others have written during the last halt may be missing
	halts  int         // how many there were; guarded by Writer.mu
}

// halted returns how long the last beat is overdue at a moment: zero if it is not.
func (p *pulse) halted(now time.Time) time.Duration {
	if since := now.Sub(p.begin) - time.Duration(p.beat.Load()); since > haltedAfter {
		return since
	}
	return 0
}

// settling reports whether nothing is to be written at a moment: the daemon was halted just now, or has noticed so.
func (p *pulse) settling(now time.Time) bool {
	return now.Sub(p.begin) < time.Duration(p.until.Load()) || p.halted(now) > 0
}

// watchHalts beats until ctx ends, and notices when the process was halted.
func (w *Writer) watchHalts(ctx context.Context) {
	var catchingUp sync.WaitGroup
	defer catchingUp.Wait()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if halted := w.pulse.halted(now); halted > 0 {
			w.log.Warn("the daemon was halted", "for", halted.Round(time.Millisecond))
			w.pulse.until.Store(int64(now.Add(settle).Sub(w.pulse.begin)))
			if w.journal.Shared() {
				halt := w.fallBehind(halted)
				catchingUp.Go(func() { w.catchUp(ctx, halt) })
			}
		}
		w.pulse.beat.Store(int64(now.Sub(w.pulse.begin)))
	}
}

// fallBehind notes that others may have written while the daemon was halted. It returns the number of the halt.
func (w *Writer) fallBehind(halted time.Duration) int {
	w.pulse.behind.Store(true)
	w.hold(gapOfHalt, w.clock.Now().Add(-halted))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pulse.halts++
	return w.pulse.halts
}

// catchUp waits until everything is in the image that others have written before, and says so unless the daemon was halted again.
func (w *Writer) catchUp(ctx context.Context, halt int) {
	for w.Sync(ctx) != nil {
		select {
		case <-time.After(retrySync):
		case <-ctx.Done():
			return
		}
	}
	w.mu.Lock()
	last := w.pulse.halts == halt
	w.mu.Unlock()
	if last && ctx.Err() == nil {
		w.release(gapOfHalt)
		w.pulse.behind.Store(false)
		w.log.Info("the daemon goes on: it has everything that others have written meanwhile")
	}
}

// retrySync is the pause between two attempts to catch up.
const retrySync = 100 * time.Millisecond
