package replica

import (
	"slices"

	"github.com/zarafa/presence/domain"
)

// maxTombstones is how many removed presences a replica remembers, some 15 MB at most: a server that adds and removes contacts for
// ever must not make the daemon grow.
const maxTombstones = 100_000

// tombstones holds the last word on each presence that was removed, for watchers who may have seen it. The replica's lock guards it.
type tombstones struct {
	last      map[key]domain.Presence
	compacted domain.Revision // all that have been dropped were removed at this revision or before
}

func newTombstones() tombstones { return tombstones{last: make(map[key]domain.Presence)} }

// add remembers that a presence was removed, and drops the older half when that makes too many.
func (t *tombstones) add(k key, p domain.Presence) {
	t.last[k] = p
	if len(t.last) <= maxTombstones {
		return
	}
	revisions := make([]domain.Revision, 0, len(t.last))
	for _, removed := range t.last {
		revisions = append(revisions, removed.Revision)
	}
	slices.Sort(revisions)
	t.compacted = revisions[len(revisions)/2]
	kept := make(map[key]domain.Presence, len(revisions)/2) // a new map: the old one would never shrink
	for k, removed := range t.last {
		if removed.Revision > t.compacted {
			kept[k] = removed
		}
	}
	t.last = kept
}

// remove forgets the tombstone of a presence that is there again.
func (t *tombstones) remove(k key) { delete(t.last, k) }

// since returns what was removed after a revision, or that not all of it is known any more. Whoever has seen nothing yet misses
// nothing.
func (t *tombstones) since(revision domain.Revision) (removed []domain.Change, compacted bool) {
	if revision == 0 {
		return nil, false
	}
	if revision < t.compacted {
		return nil, true
	}
	for k, tombstone := range t.last {
		if tombstone.Revision > revision {
			removed = append(removed, domain.Change{User: k.user, Presence: tombstone})
		}
	}
	return removed, false
}
