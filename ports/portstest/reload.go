package portstest

import (
	"errors"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Reload checks what ports.Store promises of a store that keeps presences beyond its own end. reload ends a store and returns one over what
// it has left; of nil it returns one over nothing. It cleans up after itself with t.Cleanup.
func Reload(t *testing.T, reload func(t *testing.T, ended ports.Store) ports.Store) {
	run(t, reloadContract, func(*testing.T) func(*testing.T, ports.Store) ports.Store { return reload })
}

var reloadContract = []contract[func(*testing.T, ports.Store) ports.Store]{
	{"what was written is there, exactly, and what was removed is not", func(t *testing.T, reload func(*testing.T, ports.Store) ports.Store) {
		s := reload(t, nil)
		p := set(t, s, alice, web, domain.Busy, "zurück um ½4 ☕\n")
		q := set(t, s, alice, desk, domain.Away, "")
		gone := set(t, s, bob, web, domain.Available, "")
		put(t, s, ports.Write{User: bob, Old: gone, New: gone.Remove(moment)})
		renewed := p
		renewed.Updated, renewed.Expires = moment+7, moment+8
		put(t, s, ports.Write{User: alice, Old: p, New: renewed})
		p = stored(s, alice, web)
		for range 2 {
			s = reload(t, s)
			if got := s.Presences(alice); len(got) != 2 || got[0] != q || got[1] != p {
				t.Errorf("alice is %+v, want %+v and %+v", got, q, p)
			}
			if got := s.Presences(bob); got != nil {
				t.Errorf("bob is back: %+v", got)
			}
		}
	}},
	{"revisions go on", func(t *testing.T, reload func(*testing.T, ports.Store) ports.Store) {
		s := reload(t, nil)
		p := set(t, s, alice, web, domain.Busy, "")
		put(t, s, ports.Write{User: alice, Old: p, New: p.Remove(moment)})
		last := s.Revision()
		s = reload(t, s)
		if s.Revision() < last {
			t.Errorf("the revision was %d and is %d", last, s.Revision())
		}
		if q := set(t, s, alice, web, domain.Busy, ""); q.Revision <= last {
			t.Errorf("a change has revision %d, a removal before the reload had %d", q.Revision, last)
		}
	}},
	{"who read before the reload can write after it, unless it has changed", func(t *testing.T, reload func(*testing.T, ports.Store) ports.Store) {
		s := reload(t, nil)
		old := set(t, s, alice, web, domain.Busy, "")
		p := set(t, s, alice, web, domain.Away, "")
		s = reload(t, s)
		if err := s.Apply(t.Context(), []ports.Write{{User: alice, Old: old, New: p.Remove(moment)}}); !errors.Is(err, ports.ErrConflict) {
			t.Errorf("over what is no longer there: %v", err)
		}
		next := p.Observe(domain.Available, "", domain.ExpiryPolicy{}, moment+1)
		put(t, s, ports.Write{User: alice, Old: p, New: next})
		if got := stored(s, alice, web); got.Status != domain.Available {
			t.Errorf("alice is %+v", got)
		}
	}},
	{"a watch goes on from before the reload, or says that it cannot", func(t *testing.T, reload func(*testing.T, ports.Store) ports.Store) {
		s := reload(t, nil)
		p := set(t, s, alice, web, domain.Busy, "")
		q := set(t, s, bob, web, domain.Busy, "")
		s = reload(t, s)
		w := watch(t, s, p.Revision)
		changes, err := w.Next(t.Context())
		if !errors.Is(err, ports.ErrCompacted) && (err != nil || len(changes) != 1 || changes[0].User != bob || changes[0].Presence != q) {
			t.Errorf("told %+v, %v; want bob's change", changes, err)
		}
		if changes := next(t, watch(t, s, 0)); len(changes) != 2 {
			t.Errorf("from the beginning told %+v, want both", changes)
		}
	}},
}
