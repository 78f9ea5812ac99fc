// Package memory keeps presences in this process' memory: nothing survives its end. It is what the daemon uses with
// store.kind memory, and what tests use where state matters.
package memory

import (
	"context"
	"sync"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Store = (*Store)(nil)

// Store implements ports.Store. Reads take no lock; writers take turns.
type Store struct {
	users *xsync.Map[domain.UserID, *cell]

	mu       sync.Mutex // held while writing, and never while reading users
	revision domain.Revision
	gone     tombstones
	watches  map[*watch]struct{}
	batch    transaction // what is being written; kept so that small ones need no memory of their own
}

type key struct {
	user     domain.UserID
	protocol domain.Protocol
}

// New makes an empty store.
func New() *Store {
	return &Store{
		users:   xsync.NewMap[domain.UserID, *cell](),
		gone:    newTombstones(),
		watches: make(map[*watch]struct{}),
	}
}

// Presences implements ports.Store.
func (s *Store) Presences(user domain.UserID) domain.Presences {
	if found, ok := s.users.Load(user); ok {
		return found.Presences()
	}
	return nil
}

// Slot implements ports.Store.
func (s *Store) Slot(user domain.UserID) ports.Slot {
	if found, ok := s.users.Load(user); ok {
		return found
	}
	return nil
}

// Each implements ports.Store.
func (s *Store) Each(visit func(domain.UserID, domain.Presences) bool) {
	s.users.Range(func(_ domain.UserID, found *cell) bool {
		presences := found.Presences()
		return len(presences) == 0 || visit(found.user, presences)
	})
}

// Apply implements ports.Store. It does not block but for other writers.
func (s *Store) Apply(ctx context.Context, writes []ports.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := &s.batch
	defer batch.reset()
	batch.store, batch.revision = s, s.revision
	for i := range writes {
		if err := batch.add(&writes[i]); err != nil {
			return err
		}
	}
	batch.commit()
	return nil
}

// transaction collects writes that become visible together with commit, or not at all. The store's lock is held throughout.
type transaction struct {
	store    *Store
	revision domain.Revision
	users    []staged
	index    map[domain.UserID]int // into users, if there are many; else empty
	changes  []domain.Change
}

// keptUsers is for how many users a transaction keeps its memory for the next one.
const keptUsers = 1024

// reset lets go of everything but that memory.
func (t *transaction) reset() {
	if cap(t.users) > keptUsers {
		*t = transaction{}
		return
	}
	clear(t.users)
	clear(t.changes)
	clear(t.index)
	*t = transaction{users: t.users[:0], changes: t.changes[:0], index: t.index}
}

// staged is a user as a transaction has made it so far.
type staged struct {
	user      domain.UserID
	cell      *cell            // nil if nothing is stored of the user
	presences domain.Presences // shared with the cell, until block is set
	block     *block           // the transaction's own, so it may be changed
	written   bool
}

func (t *transaction) add(w *ports.Write) error {
	at := t.stage(w.User)
	current, known := at.presences.On(w.New.Protocol)
	if current != w.Old {
		return ports.ErrConflict
	}
	next := w.New
	next.Revision = current.Revision
	switch {
	case next.Gone && !known:
		return nil
	case !known || current.Differs(next):
		t.revision++
		next.Revision = t.revision
		t.changes = append(t.changes, domain.Change{User: at.user, Presence: next})
	}
	at.set(next, known)
	return nil
}

// set replaces the presence on one protocol, which is known if there is one already.
func (u *staged) set(next domain.Presence, known bool) {
	u.written = true
	if !known || next.Gone {
		u.presences, u.block = u.presences.With(next), nil
		return
	}
	if u.block == nil {
		u.block = newBlock(u.presences)
		u.presences = u.block.presences()
	}
	for i := range u.presences {
		if u.presences[i].Protocol == next.Protocol {
			u.presences[i] = next
		}
	}
}

// manyUsers is from where on a search through the staged users is slower than an index.
const manyUsers = 16

// stage returns the user as this transaction has made it so far. The pointer is valid until the next call.
func (t *transaction) stage(user domain.UserID) *staged {
	if len(t.users) > manyUsers {
		if i, ok := t.index[user]; ok {
			return &t.users[i]
		}
	} else {
		for i := range t.users {
			if t.users[i].user == user {
				return &t.users[i]
			}
		}
	}
	next := staged{user: user}
	if found, ok := t.store.users.Load(user); ok {
		next = staged{user: found.user, cell: found, presences: found.Presences()}
	}
	t.users = append(t.users, next)
	switch count := len(t.users); {
	case count > manyUsers+1:
		t.index[next.user] = count - 1
	case count > manyUsers:
		if t.index == nil {
			t.index = make(map[domain.UserID]int)
		}
		for i := range t.users {
			t.index[t.users[i].user] = i
		}
	}
	return &t.users[len(t.users)-1]
}

func (t *transaction) commit() {
	s := t.store
	s.revision = t.revision
	for i := range t.users {
		if t.users[i].written {
			s.replace(&t.users[i])
		}
	}
	for _, change := range t.changes {
		k := key{change.User, change.Presence.Protocol}
		if change.Presence.Gone {
			s.gone.add(k, change.Presence)
		} else {
			s.gone.remove(k)
		}
		for w := range s.watches {
			w.add(k, change)
		}
	}
}

// replace makes a staged user what readers see.
func (s *Store) replace(u *staged) {
	if len(u.presences) == 0 {
		if u.cell != nil {
			s.users.Delete(u.user)
			u.cell.kept.Store(nil)
		}
		return
	}
	if u.block == nil {
		u.block = newBlock(u.presences)
	}
	if u.cell != nil {
		u.cell.kept.Store(u.block)
		return
	}
	added := &cell{user: u.user}
	added.kept.Store(u.block)
	s.users.Store(u.user, added)
}
