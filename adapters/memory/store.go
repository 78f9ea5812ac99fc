// Package memory keeps presences in this process' memory: nothing survives its end. It is what the daemon uses with
// store.kind memory, and what tests use where state matters.
package memory

import (
	"context"

	"github.com/zarafa/presence/adapters/internal/replica"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	_ ports.Store  = (*Store)(nil)
	_ ports.Leases = (*Store)(nil)
)

// Store implements ports.Store. Reads take no lock; writers take turns.
type Store struct{ *replica.Replica }

// New makes an empty store.
func New() *Store { return &Store{replica.New()} }

// NewAt makes an empty store whose revisions begin with the time in microseconds, so that a reader who comes back with one from before a
// restart is told that it is too old: nobody makes a million changes a second all the time.
func NewAt(clock ports.Clock) *Store {
	s := New()
	s.Lock()
	defer s.Unlock()
	s.Compact(domain.Revision(clock.Now() / 1000)) //nolint:gosec // it is later than 1970
	return s
}

// Apply implements ports.Store. It does not block but for other writers.
func (s *Store) Apply(ctx context.Context, writes []ports.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.Lock()
	defer s.Unlock()
	for i := range writes {
		w := &writes[i]
		if current, _ := s.Presences(w.User).On(w.New.Protocol); current != w.Old {
			return ports.ErrConflict
		}
	}
	for i := range writes {
		s.put(&writes[i])
	}
	return nil
}

// Hold implements ports.Leases: nobody else knows of this memory.
func (*Store) Hold(ctx context.Context, _ string, work func(context.Context)) { work(ctx) }

// put carries out a write whose Old is what is stored.
func (s *Store) put(w *ports.Write) {
	known := w.Old.Revision != 0
	if w.New.Removed && !known {
		return
	}
	next := w.New
	next.Revision = w.Old.Revision
	if !known || w.Old.Differs(next) {
		next.Revision = s.Revision() + 1
	}
	s.Put(w.User, next)
}
