package replica

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// watch implements ports.Watch: what was there when it began comes from a scan of the replica in the first Next, all that
// came later from pending, so that nothing falls between and nothing is told twice.
type watch struct {
	of    *Replica
	since domain.Revision // where the reader left off
	began domain.Revision // the replica's revision when the watch began

	scanned bool            // only Next reads and writes it
	removed []domain.Change // tombstones from between since and began; only the first Next reads it

	compacted bool // there were more tombstones than removed, and since is not the beginning

	pending map[key]domain.Change // guarded by of.mu
	wake    chan struct{}         // holds one token while pending may not be empty

	closed chan struct{}
	close  sync.Once
}

// Watch implements part of ports.Store.
func (r *Replica) Watch(since domain.Revision) ports.Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &watch{of: r, since: since, began: r.Revision(), wake: make(chan struct{}, 1), closed: make(chan struct{})}
	w.removed, w.compacted = r.gone.since(since)
	r.watches[w] = struct{}{}
	return w
}

// add is called with the replica's lock held.
func (w *watch) add(k key, change domain.Change) {
	if w.pending == nil {
		w.pending = make(map[key]domain.Change)
	}
	w.pending[k] = change
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Next implements ports.Watch.
func (w *watch) Next(ctx context.Context) ([]domain.Change, error) {
	for {
		if err := w.ended(ctx); err != nil {
			return nil, err
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

func (w *watch) ended(ctx context.Context) error {
	select {
	case <-w.closed:
		return ports.ErrWatchClosed
	default:
	}
	if w.compacted {
		return ports.ErrCompacted
	}
	return ctx.Err()
}

func (w *watch) take() []domain.Change {
	if !w.scanned {
		w.scanned = true
		if changes := w.scan(); len(changes) > 0 {
			return changes
		}
	}
	w.of.mu.Lock()
	pending := w.pending
	w.pending = nil
	w.of.mu.Unlock()
	changes := make([]domain.Change, 0, len(pending))
	for _, change := range pending {
		changes = append(changes, change)
	}
	return changes
}

// scan finds what changed after since and has not changed again after began: that is pending.
func (w *watch) scan() []domain.Change {
	changes := w.removed
	w.removed = nil
	if w.since >= w.began {
		return changes
	}
	w.of.Each(func(user domain.UserID, presences domain.Presences) bool {
		for _, p := range presences {
			if p.Revision > w.since && p.Revision <= w.began {
				changes = append(changes, domain.Change{User: user, Presence: p})
			}
		}
		return true
	})
	return changes
}

// Close implements ports.Watch.
func (w *watch) Close() {
	w.close.Do(func() {
		w.of.mu.Lock()
		delete(w.of.watches, w)
		w.of.mu.Unlock()
		close(w.closed)
	})
}
