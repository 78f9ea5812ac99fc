package image

import (
	"slices"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
)

// maxRemoved is how many removed presences are remembered, some 15 MB at most: a server that adds and removes contacts for ever must
// not make the daemon grow.
const maxRemoved = 100_000

// removed remembers what was removed, for readers that may have seen it. The image's lock guards it, but users and forgotten can be read
// without. It depends on the entries of the journal alone, so it is the same in every daemon.
type removed struct {
	last      map[Key]domain.Revision                  // when each of these presences was removed
	users     *xsync.Map[domain.UserID, *domain.Known] // those who have no presence any more
	forgotten atomic.Uint64                            // what was removed up to this revision may not be remembered
}

func newRemoved() removed {
	return removed{last: make(map[Key]domain.Revision), users: xsync.NewMap[domain.UserID, *domain.Known]()}
}

// add remembers that a presence was removed, and forgets the older half if that makes too many.
func (r *removed) add(k Key, revision domain.Revision) {
	r.last[k] = revision
	if len(r.last) <= maxRemoved {
		return
	}
	revisions := make([]domain.Revision, 0, len(r.last))
	for _, revision := range r.last {
		revisions = append(revisions, revision)
	}
	slices.Sort(revisions)
	middle := revisions[len(revisions)/2]
	r.forget(middle)
	kept := make(map[Key]domain.Revision, len(revisions)/2) // a new map: the old one would never shrink
	for k, revision := range r.last {
		if revision > middle {
			kept[k] = revision
		} else if last, gone := r.users.Load(k.User); gone && last.Revision <= middle {
			r.users.Delete(k.User)
		}
	}
	r.last = kept
}

// forget notes that what was removed up to a revision may not be remembered.
func (r *removed) forget(revision domain.Revision) {
	r.forgotten.Store(max(r.forgotten.Load(), uint64(revision)))
}

// delete notes that a presence is there again.
func (r *removed) delete(k Key) {
	if len(r.last) > 0 {
		delete(r.last, k)
	}
}

// since returns what is remembered of what was removed after a revision.
func (r *removed) since(revision domain.Revision) (changes []domain.Change) {
	for k, last := range r.last {
		if last > revision {
			changes = append(changes, k.removedAt(last))
		}
	}
	return changes
}

// removedAt is the change by which a presence was removed.
func (k Key) removedAt(revision domain.Revision) domain.Change {
	return domain.Change{User: k.User, Presence: domain.Presence{
		Protocol: k.Protocol, Device: k.Device, Removed: true, Revision: revision,
	}}
}
