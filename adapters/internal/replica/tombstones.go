package replica

import (
	"slices"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
)

// maxTombstones is how many removed presences a replica remembers, some 15 MB at most: a server that adds and removes contacts for
// ever must not make the daemon grow.
const maxTombstones = 100_000

// tombstones holds the last word on each presence that was removed, for watchers who may have seen it. The replica's lock guards it,
// but users and compacted can be read without.
type tombstones struct {
	last      map[key]domain.Presence
	users     *xsync.Map[domain.UserID, domain.Revision] // when each of these users last lost a presence that is still missing
	compacted atomic.Uint64                              // all that have been dropped were removed at this revision or before
}

func newTombstones() tombstones {
	return tombstones{last: make(map[key]domain.Presence), users: xsync.NewMap[domain.UserID, domain.Revision]()}
}

// add remembers that a presence was removed, and drops the older half when that makes too many.
func (t *tombstones) add(k key, p domain.Presence) {
	t.last[k] = p
	t.users.Store(k.user, p.Revision)
	if len(t.last) <= maxTombstones {
		return
	}
	revisions := make([]domain.Revision, 0, len(t.last))
	for _, removed := range t.last {
		revisions = append(revisions, removed.Revision)
	}
	slices.Sort(revisions)
	middle := revisions[len(revisions)/2]
	t.compact(middle)
	kept := make(map[key]domain.Presence, len(revisions)/2) // a new map: the old one would never shrink
	for k, removed := range t.last {
		if removed.Revision > middle {
			kept[k] = removed
		} else if last, _ := t.users.Load(k.user); last <= middle {
			t.users.Delete(k.user)
		}
	}
	t.last = kept
}

// compact says that what was removed up to a revision may be forgotten.
func (t *tombstones) compact(revision domain.Revision) {
	if uint64(revision) > t.compacted.Load() {
		t.compacted.Store(uint64(revision))
	}
}

// remove forgets the tombstone of a presence that is there again, with a greater revision than any tombstone of that user.
func (t *tombstones) remove(k key) {
	if len(t.last) == 0 {
		return
	}
	delete(t.last, k)
	t.users.Delete(k.user)
}

// since returns what was removed after a revision, or that not all of it is known any more. Whoever has seen nothing yet misses
// nothing.
func (t *tombstones) since(revision domain.Revision) (removed []domain.Change, compacted bool) {
	if revision == 0 {
		return nil, false
	}
	if uint64(revision) < t.compacted.Load() {
		return nil, true
	}
	for k, tombstone := range t.last {
		if tombstone.Revision > revision {
			removed = append(removed, domain.Change{User: k.user, Presence: tombstone})
		}
	}
	return removed, false
}
