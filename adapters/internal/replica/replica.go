// Package replica is the image of all presences in this process' memory, from which every store serves its reads: without a lock, and
// without allocating. The stores (adapters/memory, adapters/nats) decide what is written; the replica makes it visible and tells
// watches of it.
package replica

import (
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Replica holds presences. What implements ports.Store, and Find, may be called at any time; the other methods only between Lock and
// Unlock.
type Replica struct {
	users *xsync.Map[domain.UserID, *cell]

	revision atomic.Uint64 // a domain.Revision

	mu      sync.Mutex // held while writing, and never while reading users
	gone    tombstones
	watches map[*watch]struct{}
}

type key struct {
	user     domain.UserID
	protocol domain.Protocol
}

// New makes an empty replica.
func New() *Replica {
	return &Replica{
		users:   xsync.NewMap[domain.UserID, *cell](),
		gone:    newTombstones(),
		watches: make(map[*watch]struct{}),
	}
}

// Presences implements part of ports.Store.
func (r *Replica) Presences(user domain.UserID) domain.Presences {
	if found, ok := r.users.Load(user); ok {
		return found.Presences()
	}
	return nil
}

// Slot implements part of ports.Store.
func (r *Replica) Slot(user domain.UserID) ports.Slot {
	if found, ok := r.users.Load(user); ok {
		return found
	}
	return nil
}

// Each implements part of ports.Store.
func (r *Replica) Each(visit func(domain.UserID, domain.Presences) bool) {
	r.users.Range(func(_ domain.UserID, found *cell) bool {
		presences := found.Presences()
		return len(presences) == 0 || visit(found.user, presences)
	})
}

// Entry is a presence as it lies in the replica.
type Entry struct {
	User     domain.UserID // in the replica's memory; empty if nothing is known of the user
	Presence domain.Presence
	Version  uint64 // with which it was put; zero if there is none
}

// Find returns a user's presence on one protocol: of one that is not there, only Presence.Protocol.
func (r *Replica) Find(user domain.UserID, protocol domain.Protocol) Entry {
	entry := Entry{Presence: domain.Presence{Protocol: protocol}}
	if found, ok := r.users.Load(user); ok {
		entry.User = found.user
		if b := found.kept.Load(); b != nil {
			if at, known := b.find(protocol); known {
				entry.Presence, entry.Version = b.presences()[at], b.version(at)
			}
		}
	}
	return entry
}

// Lock takes the turn of writing.
func (r *Replica) Lock() { r.mu.Lock() }

// Unlock ends the turn of writing.
func (r *Replica) Unlock() { r.mu.Unlock() }

// Revision implements part of ports.Store. It is the greatest revision that was put, or up to which removals are not known.
func (r *Replica) Revision() domain.Revision { return domain.Revision(r.revision.Load()) }

// LastRemoval implements part of ports.Store.
func (r *Replica) LastRemoval(user domain.UserID) (last, forgotten domain.Revision) {
	last, _ = r.gone.users.Load(user)
	return last, domain.Revision(r.gone.compacted.Load())
}

// Removals implements part of ports.Store.
func (r *Replica) Removals(since domain.Revision) ([]domain.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	removed, compacted := r.gone.since(since)
	if compacted {
		return nil, ports.ErrCompacted
	}
	return removed, nil
}

// Compact says that removals up to a revision are not known, and that whatever is put from now on has a greater one.
func (r *Replica) Compact(revision domain.Revision) {
	r.gone.compact(revision)
	r.advance(revision)
}

// advance takes a revision into account. The lock is held.
func (r *Replica) advance(revision domain.Revision) {
	if revision > r.Revision() {
		r.revision.Store(uint64(revision))
	}
}

// Put replaces a user's presence on one protocol, or takes it away if it is Gone. Watches are told if its revision is another than
// that of what was there. The replica keeps the message, and the user's id if nothing was known of the user.
func (r *Replica) Put(user domain.UserID, p domain.Presence) { r.put(user, versioned{Presence: p}) }

// PutVersion is Put for a store that has to know by which of its own writes a presence came: any number but zero. Such a store never
// uses Put.
func (r *Replica) PutVersion(user domain.UserID, p domain.Presence, version uint64) {
	r.put(user, versioned{p, version})
}

// versioned is a presence with the version of a store that uses them; else it is zero.
type versioned struct {
	domain.Presence
	version uint64
}

func (r *Replica) put(user domain.UserID, p versioned) {
	var old *block
	found, there := r.users.Load(user)
	if there {
		old, user = found.kept.Load(), found.user
	}
	at, known := old.find(p.Protocol)
	changed := !known || old.presences()[at].Revision != p.Revision
	next := old.with(at, known, p)
	switch {
	case there && next == nil:
		r.users.Delete(user)
		found.kept.Store(nil)
	case there:
		found.kept.Store(next)
	case next != nil:
		added := &cell{user: user}
		added.kept.Store(next)
		r.users.Store(user, added)
	}
	if changed {
		r.announce(key{user, p.Protocol}, p.Presence)
	}
}

// announce tells all watches of a change.
func (r *Replica) announce(k key, p domain.Presence) {
	r.advance(p.Revision)
	if p.Removed {
		r.gone.add(k, p)
	} else {
		r.gone.remove(k)
	}
	for w := range r.watches {
		w.add(k, domain.Change{User: k.user, Presence: p})
	}
}
