package commit_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

// reloader starts a core over a journal on the disk, and starts it again over what it has left.
type reloader struct {
	dir      string
	snapshot bool // one is made before each end
}

func (r *reloader) start(t *testing.T) *coretest.Core {
	t.Helper()
	journal, err := bolt.New(bolt.Config{Dir: r.dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return coretest.StartOver(t, journal, clock.New())
}

func (r *reloader) reload(t *testing.T, s *coretest.Core) *coretest.Core {
	t.Helper()
	if r.snapshot {
		if err := s.Writer.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.End()
	return r.start(t)
}

// TestReload checks what the use cases may expect of a core whose journal survives, a sentence at a time: from entries alone, and from
// a snapshot.
func TestReload(t *testing.T) {
	for _, c := range reloadSentences {
		for name, snapshot := range map[string]bool{"entries": false, "snapshot": true} {
			t.Run(c.sentence+"/"+name, func(t *testing.T) {
				r := &reloader{dir: filepath.Join(t.TempDir(), "store"), snapshot: snapshot}
				c.check(t, r, r.start(t))
			})
		}
	}
}

var reloadSentences = []struct {
	sentence string
	check    func(t *testing.T, r *reloader, s *coretest.Core)
}{
	{"spellings that an earlier version took for two users are both there, to be made one", func(t *testing.T, r *reloader, s *coretest.Core) {
		const one, other = domain.UserID("alice@xn--bcher-kva.test"), domain.UserID("alice@bücher.test")
		p, q := set(t, s, one, web, domain.Busy, "1"), set(t, s, other, web, domain.Away, "2")
		renewed := p
		renewed.Updated, renewed.Expires = moment+7, moment+8
		put(t, s, image.Write{User: one, Old: p, New: renewed})
		p = stored(s, one, web)
		s = r.reload(t, s)
		if got := stored(s, one, web); got != p {
			t.Errorf("%+v, was %+v", got, p)
		}
		if got := stored(s, other, web); got != q {
			t.Errorf("%+v, was %+v", got, q)
		}
	}},
	{"what was written is there, exactly, and what was removed is not", func(t *testing.T, r *reloader, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "zurück um ½4 ☕\n")
		q := set(t, s, alice, desk, domain.Away, "")
		gone := set(t, s, bob, web, domain.Available, "")
		put(t, s, image.Write{User: bob, Old: gone, New: gone.Remove(moment)})
		renewed := p
		renewed.Updated, renewed.Expires = moment+7, moment+8
		put(t, s, image.Write{User: alice, Old: p, New: renewed})
		p = stored(s, alice, web)
		for range 2 {
			s = r.reload(t, s)
			if got := s.Presences(alice); len(got) != 2 || got[0] != q || got[1] != p {
				t.Errorf("alice is %+v, want %+v and %+v", got, q, p)
			}
			if got := s.Presences(bob); got != nil {
				t.Errorf("bob is back: %+v", got)
			}
		}
	}},
	{"revisions go on", func(t *testing.T, r *reloader, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "")
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		last := s.Revision()
		s = r.reload(t, s)
		if s.Revision() != last {
			t.Errorf("the revision was %d and is %d", last, s.Revision())
		}
		if q := set(t, s, alice, web, domain.Busy, ""); q.Revision <= last {
			t.Errorf("a change has revision %d, a removal before the reload had %d", q.Revision, last)
		}
	}},
	{"who read before the reload can write after it, unless it has changed", func(t *testing.T, r *reloader, s *coretest.Core) {
		old := set(t, s, alice, web, domain.Busy, "")
		p := set(t, s, alice, web, domain.Away, "")
		s = r.reload(t, s)
		if err := s.Apply(t.Context(), image.Write{User: alice, Old: old, New: p.Remove(moment)}); !errors.Is(err, coretest.ErrConflict) {
			t.Errorf("over what is no longer there: %v", err)
		}
		next := p.Observe(domain.Shown{Status: domain.Available}, domain.ExpiryPolicy{}, moment+1)
		put(t, s, image.Write{User: alice, Old: p, New: next})
		if got := stored(s, alice, web); got.Status != domain.Available {
			t.Errorf("alice is %+v", got)
		}
	}},
	{"a reader goes on from before the reload, removals included", func(t *testing.T, r *reloader, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "")
		q := set(t, s, bob, web, domain.Busy, "")
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		s = r.reload(t, s)
		mirror := newMirror()
		mirror.read(s)
		if len(mirror.state) != 1 || mirror.state[bob] != q || q.Revision <= p.Revision {
			t.Errorf("there is %+v; want bob's change, after revision %d", mirror.state, p.Revision)
		}
		gone := domain.Change{User: alice, Presence: domain.Presence{Protocol: web, Removed: true, Revision: q.Revision + 1}}
		if removed, err := s.Removals(p.Revision); err != nil || len(removed) != 1 || removed[0] != gone {
			t.Errorf("Removals = %+v, %v, want %+v", removed, err, gone)
		}
		if removed, err := s.Removals(0); err != nil || len(removed) != 0 {
			t.Errorf("Removals from the beginning = %+v, %v, want none", removed, err)
		}
	}},
}
