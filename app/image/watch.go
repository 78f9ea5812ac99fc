package image

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Watch follows the changes of an image. It carries state, not history: of several changes to one presence between two calls of Next only
// the last is told, so a slow reader costs no more than a fast one.
type Watch struct {
	of    *Image
	began domain.Revision // the image's revision when the watch began

	pending map[Key]domain.Change // what is new; guarded by of.mu
	taken   map[Key]domain.Change // is empty, and becomes pending at the next take; only Next reads and writes it
	unheld  bool                  // the image was released, and the reader has not been told; guarded by of.mu
	wake    chan struct{}         // holds one token while there may be something in pending, or unheld

	closed chan struct{}
	close  sync.Once
}

// Watch follows every change from now on; a renewal is none. Changes of before are seen by all reads that begin after it has returned, so
// whoever then reads everything (Each) misses nothing. It does not block.
func (i *Image) Watch() *Watch {
	i.mu.Lock()
	defer i.mu.Unlock()
	w := &Watch{of: i, began: i.Revision(), wake: make(chan struct{}, 1), closed: make(chan struct{})}
	w.pending, w.taken = make(map[Key]domain.Change), make(map[Key]domain.Change)
	i.watches[w] = struct{}{}
	return w
}

// Began returns the revision after which every change is told. A read that is made later may see some of these changes, too.
func (w *Watch) Began() domain.Revision { return w.began }

// add is called with the image's lock held.
func (w *Watch) add(k Key, change domain.Change) {
	w.pending[k] = change
	w.signal()
}

func (w *Watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Next blocks until something has changed and returns it in order of revision; it never returns an empty slice without an error. Each
// revision is greater than all that were returned before. It returns the context's error, ports.ErrWatchClosed after Close, or ports.ErrResumed,
// once for each Image.Release that says so. Not to be called concurrently with itself.
func (w *Watch) Next(ctx context.Context) ([]domain.Change, error) {
	for {
		if err := w.ended(ctx); err != nil {
			return nil, err
		}
		if w.takeUnheld() {
			return nil, ports.ErrResumed
		}
		if changes := w.take(); len(changes) > 0 {
			slices.SortFunc(changes, func(a, b domain.Change) int { return cmp.Compare(a.Presence.Revision, b.Presence.Revision) })
			return changes, nil
		}
		select {
		case <-w.wake:
		case <-w.closed:
		case <-ctx.Done():
		}
	}
}

// takeUnheld reports whether the image was released since the last call.
func (w *Watch) takeUnheld() bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	unheld := w.unheld
	w.unheld = false
	return unheld
}

func (w *Watch) ended(ctx context.Context) error {
	select {
	case <-w.closed:
		return ports.ErrWatchClosed
	default:
		return ctx.Err()
	}
}

// keptPending is for how many changes a watch keeps memory.
const keptPending = 1024

// take returns what has come since the last call.
func (w *Watch) take() []domain.Change {
	w.of.mu.Lock()
	w.pending, w.taken = w.taken, w.pending
	w.of.mu.Unlock()
	changes := make([]domain.Change, 0, len(w.taken))
	for _, change := range w.taken {
		changes = append(changes, change)
	}
	if len(changes) > keptPending {
		w.taken = make(map[Key]domain.Change)
	}
	clear(w.taken)
	return changes
}

// Close ends the watch and a Next in progress. It may be called at any time, and more than once.
func (w *Watch) Close() {
	w.close.Do(func() {
		w.of.mu.Lock()
		delete(w.of.watches, w)
		w.of.mu.Unlock()
		close(w.closed)
	})
}
