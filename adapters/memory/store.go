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
	users *xsync.Map[domain.UserID, record]

	mu       sync.Mutex // held while writing, and never while reading users
	revision domain.Revision
	gone     map[key]domain.Presence // the last word on each presence that was removed
	watches  map[*watch]struct{}
}

// record is immutable once it is in the map. It repeats the map's own key so that a user's id is kept in memory once, however
// often the record is replaced.
type record struct {
	user      domain.UserID
	presences domain.Presences
}

type key struct {
	user     domain.UserID
	protocol domain.Protocol
}

// New makes an empty store.
func New() *Store {
	return &Store{
		users:   xsync.NewMap[domain.UserID, record](),
		gone:    make(map[key]domain.Presence),
		watches: make(map[*watch]struct{}),
	}
}

// Presences implements ports.Store.
func (s *Store) Presences(user domain.UserID) domain.Presences {
	found, _ := s.users.Load(user)
	return found.presences
}

// Each implements ports.Store.
func (s *Store) Each(visit func(domain.UserID, domain.Presences) bool) {
	s.users.Range(func(_ domain.UserID, found record) bool {
		return visit(found.user, found.presences)
	})
}

// Apply implements ports.Store. It does not block but for other writers.
func (s *Store) Apply(ctx context.Context, writes []ports.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var small [4]record
	batch := transaction{store: s, revision: s.revision, users: small[:0]}
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
	users    []record
	index    map[domain.UserID]int // into users, once there are many
	changes  []domain.Change
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
	at.presences = at.presences.With(next)
	return nil
}

// manyUsers is from where on a search through the staged users is slower than an index.
const manyUsers = 16

// stage returns the user's record as this transaction has made it so far. The pointer is valid until the next call.
func (t *transaction) stage(user domain.UserID) *record {
	if t.index != nil {
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
	found, ok := t.store.users.Load(user)
	if !ok {
		found.user = user
	}
	t.users = append(t.users, found)
	switch {
	case t.index != nil:
		t.index[found.user] = len(t.users) - 1
	case len(t.users) > manyUsers:
		t.index = make(map[domain.UserID]int, 2*len(t.users))
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
		record := t.users[i]
		if len(record.presences) == 0 {
			s.users.Delete(record.user)
		} else {
			s.users.Store(record.user, record)
		}
	}
	for _, change := range t.changes {
		k := key{change.User, change.Presence.Protocol}
		if change.Presence.Gone {
			s.gone[k] = change.Presence
		} else {
			delete(s.gone, k)
		}
		for w := range s.watches {
			w.add(k, change)
		}
	}
}
