package commit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCore checks what the use cases may expect of an image and its writer, a sentence at a time.
func TestCore(t *testing.T) {
	for _, c := range sentences {
		t.Run(c.sentence, func(t *testing.T) { c.check(t, coretest.Start(t)) })
	}
}

// patience is how long a test waits for what must happen. Nothing waits that long in passing.
const patience = 10 * time.Second

// within returns a context that fails what hangs.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

const (
	alice domain.UserID = "alice@example.test"
	bob   domain.UserID = "bob@example.test"
)

var (
	desk = domain.MustProtocol("desk")
	web  = domain.MustProtocol("web")
)

// moment is when the tests' presences begin, in the year 2100: no clock is involved.
const moment domain.Timestamp = 4_102_444_800_000_000_000

var sentences = []struct {
	sentence string
	check    func(t *testing.T, s *coretest.Core)
}{
	{"a user without anything stored has no presences", func(t *testing.T, s *coretest.Core) {
		if got := s.Presences(alice); got != nil {
			t.Errorf("Presences = %v, want nil", got)
		}
		s.Each(func(user domain.UserID, _ domain.Presences) bool {
			t.Errorf("Each visits %s", user)
			return true
		})
	}},
	{"what was written is read, exactly as written but for the revisions", func(t *testing.T, s *coretest.Core) {
		want := domain.Presence{
			Protocol: web, Message: "zurück um ½4 ☕", Status: domain.Busy, Stale: true,
			Since: moment, Updated: moment + 1, Expires: moment + 2,
		}
		put(t, s, image.Write{User: alice, Old: domain.Presence{Protocol: web}, New: want})
		got := stored(s, alice, web)
		want.Revision = got.Revision
		if got != want || got.Revision == 0 {
			t.Errorf("stored %+v, want %+v with a revision", got, want)
		}
	}},
	{"a user's presences are ordered by protocol, and independent", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "")
		set(t, s, alice, desk, domain.Away, "")
		set(t, s, alice, web, domain.Available, "")
		got := s.Presences(alice)
		if len(got) != 2 || got[0].Protocol != desk || got[0].Status != domain.Away || got[1].Protocol != web || got[1].Status != domain.Available {
			t.Errorf("Presences = %+v, want desk away, then web available", got)
		}
	}},
	{"what Presences returned before does not change with later writes", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "before")
		before := s.Presences(alice)
		set(t, s, alice, web, domain.Away, "after")
		if before[0].Status != domain.Busy || before[0].Message != "before" {
			t.Errorf("the old answer became %+v", before[0])
		}
	}},
	{"Presences does not allocate", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "")
		if got := testing.AllocsPerRun(100, func() { s.Presences(alice) }); got >= 1 {
			t.Errorf("%v allocations, want none", got)
		}
	}},
	{"Each visits every user once, and stops when told to", func(t *testing.T, s *coretest.Core) {
		for i := range 100 {
			set(t, s, numbered(i), web, domain.Available, "")
			set(t, s, numbered(i), desk, domain.Away, "")
		}
		seen := map[domain.UserID]int{}
		s.Each(func(user domain.UserID, presences domain.Presences) bool {
			seen[user] += len(presences)
			return true
		})
		for i := range 100 {
			if seen[numbered(i)] != 2 {
				t.Errorf("%s visited with %d presences, want 2", numbered(i), seen[numbered(i)])
			}
		}
		visits := 0
		s.Each(func(domain.UserID, domain.Presences) bool { visits++; return visits < 3 })
		if visits != 3 {
			t.Errorf("Each went on for %d visits, want 3", visits)
		}
	}},
	{"the id of a write to what is there already is not kept, so the caller may reuse its memory", func(t *testing.T, s *coretest.Core) {
		old := set(t, s, alice, web, domain.Busy, "")
		w := watch(t, s)
		buffer := []byte(alice)
		id := domain.UserID(unsafe.String(unsafe.SliceData(buffer), len(buffer)))
		put(t, s, image.Write{User: id, Old: old, New: observed(web, domain.Away, "")})
		copy(buffer, "xxxxxxxxxx")
		if got := stored(s, alice, web); got.Status != domain.Away {
			t.Errorf("stored %+v, want away", got)
		}
		s.Each(func(user domain.UserID, _ domain.Presences) bool {
			if user != alice {
				t.Errorf("Each visits %s, want %s", user, alice)
			}
			return true
		})
		if changes := next(t, w); changes[0].User != alice {
			t.Errorf("the watch tells of %s, want %s", changes[0].User, alice)
		}
	}},
	{"an Apply of nothing succeeds", func(t *testing.T, s *coretest.Core) { put(t, s) }},
	{"an Apply whose context has ended writes nothing", func(t *testing.T, s *coretest.Core) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Apply(ctx, image.Write{User: alice, Old: domain.Presence{Protocol: web}, New: observed(web, domain.Busy, "")})
		if !errors.Is(err, context.Canceled) || s.Presences(alice) != nil {
			t.Errorf("err %v, stored %v; want context.Canceled and nothing", err, s.Presences(alice))
		}
	}},
	{"a write whose Old is not what is stored is a conflict", func(t *testing.T, s *coretest.Core) {
		first := set(t, s, alice, web, domain.Busy, "")
		second := set(t, s, alice, web, domain.Away, "")
		renewed := second
		renewed.Updated++
		put(t, s, image.Write{User: alice, Old: second, New: renewed})
		for name, old := range map[string]domain.Presence{"none": {Protocol: web}, "the one before": first, "one renewed meanwhile": second} {
			err := s.Apply(within(t), image.Write{User: alice, Old: old, New: observed(web, domain.Available, "")})
			if !errors.Is(err, coretest.ErrConflict) {
				t.Errorf("Old is %s: err = %v, want ErrConflict", name, err)
			}
		}
		if got := stored(s, alice, web); got != renewed {
			t.Errorf("stored %+v, want %+v", got, renewed)
		}
	}},
	{"all writes of an Apply are carried out, or none", func(t *testing.T, s *coretest.Core) {
		set(t, s, bob, web, domain.Busy, "")
		var writes []image.Write
		for i := range 40 {
			writes = append(writes, image.Write{User: numbered(i), Old: domain.Presence{Protocol: web}, New: observed(web, domain.Away, "")})
		}
		conflicting := image.Write{User: bob, Old: domain.Presence{Protocol: web}, New: observed(web, domain.Away, "")}
		if err := s.Apply(within(t), append(slices.Clone(writes), conflicting)...); !errors.Is(err, coretest.ErrConflict) {
			t.Fatalf("err = %v, want ErrConflict", err)
		}
		for i := range 40 {
			if got := s.Presences(numbered(i)); got != nil {
				t.Fatalf("%s has %+v after a conflict", numbered(i), got)
			}
		}
		writes = append(writes, image.Write{User: numbered(7), Old: domain.Presence{Protocol: desk}, New: observed(desk, domain.Busy, "")})
		put(t, s, writes...)
		for i := range 40 {
			if stored(s, numbered(i), web).Status != domain.Away {
				t.Fatalf("%s was not written", numbered(i))
			}
		}
		if got := s.Presences(numbered(7)); len(got) != 2 || got[0].Status != domain.Busy {
			t.Errorf("two protocols of one user in one Apply: %+v", got)
		}
	}},
	{"every change gets a greater revision, one of the status a second one, and a renewal keeps both", func(t *testing.T, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Unavailable, "") // the first of its kind is a change, whatever it says
		last := p.Revision
		changes := []func(*domain.Presence){
			func(p *domain.Presence) { p.Status = domain.Away },
			func(p *domain.Presence) { p.Message = "lunch" },
			func(p *domain.Presence) { p.Stale = true },
			func(p *domain.Presence) { p.Expires = moment },
		}
		for i, change := range changes {
			next := p
			change(&next)
			put(t, s, image.Write{User: alice, Old: p, New: next})
			before := kept(s, alice).Status
			if p = stored(s, alice, web); p.Revision <= last {
				t.Errorf("change %d: revision %d after %d", i, p.Revision, last)
			}
			status := kept(s, alice).Status
			if wanted := i == 0 || i == 2; (status == p.Revision) != wanted || !wanted && status != before {
				t.Errorf("change %d: status revision %d, revision %d", i, status, p.Revision)
			}
			last = p.Revision
		}
		next := p
		next.Updated, next.Expires = moment+5, moment+6
		put(t, s, image.Write{User: alice, Old: p, New: next})
		if got := stored(s, alice, web); got != next {
			t.Errorf("renewed: %+v, want %+v with revision %d", got, next, last)
		}
		if other := set(t, s, bob, desk, domain.Busy, ""); other.Revision <= last {
			t.Errorf("revision %d of another user after %d", other.Revision, last)
		}
	}},
	{"a presence that is gone is removed, and a user without any is not visited", func(t *testing.T, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "")
		set(t, s, alice, desk, domain.Away, "")
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		if got := s.Presences(alice); len(got) != 1 || got[0].Protocol != desk {
			t.Fatalf("Presences = %+v, want only desk", got)
		}
		d := stored(s, alice, desk)
		put(t, s, image.Write{User: alice, Old: d, New: d.Remove(moment)})
		if got := s.Presences(alice); got != nil {
			t.Errorf("Presences = %+v, want nil", got)
		}
		s.Each(func(user domain.UserID, _ domain.Presences) bool {
			t.Errorf("Each visits %s", user)
			return true
		})
		again := set(t, s, alice, web, domain.Available, "")
		if again.Revision <= d.Revision {
			t.Errorf("revision %d after %d", again.Revision, d.Revision)
		}
	}},
	{"a place shows what is written after it was got, and tells whether anything was", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "")
		place := s.User(alice)
		for i, write := range []func(){
			func() { set(t, s, alice, web, domain.Away, "lunch") },
			func() { // a renewal
				old := stored(s, alice, web)
				next := old
				next.Updated++
				put(t, s, image.Write{User: alice, Old: old, New: next})
			},
			func() { set(t, s, alice, desk, domain.Busy, "") },
			func() { set(t, s, alice, desk, domain.Away, "") },
			func() { p := stored(s, alice, web); put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)}) },
		} {
			before := place.Presences()
			kept := slices.Clone(before)
			write()
			after := place.Presences()
			if !slices.Equal(after, s.Presences(alice)) || slices.Equal(after, kept) {
				t.Errorf("write %d: the place shows %+v, the store %+v", i, after, s.Presences(alice))
			}
			if !slices.Equal(before, kept) {
				t.Errorf("write %d: it changed what the place had shown before", i)
			}
		}
	}},
	{"the place of a user who was removed shows nothing for ever, and one who comes back has a new place", func(t *testing.T, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "")
		place := s.User(alice)
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		if got := place.Presences(); got != nil || s.User(alice) != nil {
			t.Errorf("after the removal the place shows %+v, and there is a place: %t", got, s.User(alice) != nil)
		}
		set(t, s, alice, web, domain.Away, "")
		if got := place.Presences(); got != nil {
			t.Errorf("the old place shows %+v, want nil", got)
		}
		again := s.User(alice)
		if again == nil {
			t.Fatal("no place of a user who came back")
		}
		if got := again.Presences(); len(got) != 1 || got[0].Status != domain.Away {
			t.Errorf("the new place shows %+v", got)
		}
	}},
	{"users with many protocols are kept like others", func(t *testing.T, s *coretest.Core) {
		var place *image.User
		for i := range 12 {
			set(t, s, alice, domain.MustProtocol(fmt.Sprintf("p%02d", i)), domain.Busy, fmt.Sprint(i))
			if i == 0 {
				place = s.User(alice)
			}
			runtime.GC() // would find a pointer that it was not told of
			for j, p := range place.Presences() {
				if p.Protocol != domain.MustProtocol(fmt.Sprintf("p%02d", j)) || p.Message != fmt.Sprint(j) {
					t.Errorf("of %d protocols the one at %d is %+v", i+1, j, p)
				}
			}
			if n := len(place.Presences()); n != i+1 {
				t.Errorf("%d protocols, want %d", n, i+1)
			}
		}
	}},
	{"reading allocates nothing", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "")
		place := s.User(alice)
		reads := map[string]func(){
			"Presences":      func() { s.Presences(alice) },
			"User":           func() { s.User(alice) },
			"User.Presences": func() { place.Presences() },
		}
		for name, read := range reads {
			if n := testing.AllocsPerRun(100, read); n != 0 {
				t.Errorf("%s allocates %v times", name, n)
			}
		}
	}},
	{"of concurrent writes against the same state exactly one succeeds", func(t *testing.T, s *coretest.Core) {
		const writers, rounds = 8, 50
		set(t, s, alice, web, domain.Unavailable, "")
		ctx := within(t)
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for range rounds {
					for {
						old := stored(s, alice, web)
						next := old
						next.Since++ // counts the successes
						next.Message = fmt.Sprint(w, next.Since)
						err := s.Apply(ctx, image.Write{User: alice, Old: old, New: next})
						if err == nil {
							break
						}
						if !errors.Is(err, coretest.ErrConflict) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		all.Wait()
		if got := stored(s, alice, web).Since - moment; got != writers*rounds {
			t.Errorf("%d writes are seen of %d", got, writers*rounds)
		}
	}},
	{"a watch tells everything that changes, in order of revision", func(t *testing.T, s *coretest.Core) {
		w := watch(t, s)
		for i := range 50 {
			set(t, s, numbered(i%20), web, domain.Status(i%4), fmt.Sprint(i))
		}
		mirror := newMirror()
		mirror.follow(t, w, s)
		if len(mirror.state) != 20 {
			t.Errorf("%d presences told, want 20", len(mirror.state))
		}
	}},
	{"a watch tells only what comes after it has begun", func(t *testing.T, s *coretest.Core) {
		set(t, s, alice, web, domain.Busy, "")
		set(t, s, bob, web, domain.Busy, "")
		w := watch(t, s)
		want := set(t, s, alice, web, domain.Away, "")
		changes := next(t, w)
		if len(changes) != 1 || changes[0] != (domain.Change{User: alice, Presence: want}) {
			t.Errorf("told %+v, want only %+v", changes, want)
		}
	}},
	{"who reads everything after a watch has begun misses nothing", readWhileWritten},
	{"a watch tells of removals", func(t *testing.T, s *coretest.Core) {
		p := set(t, s, alice, web, domain.Busy, "")
		w := watch(t, s)
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		changes := next(t, w)
		if len(changes) != 1 || !changes[0].Presence.Removed || changes[0].User != alice || changes[0].Presence.Protocol != web || changes[0].Presence.Revision <= p.Revision {
			t.Errorf("told %+v, want that alice's is gone", changes)
		}
	}},
	{"a watch tells only the last of several changes between two calls, and no renewal", func(t *testing.T, s *coretest.Core) {
		w := watch(t, s)
		for i := range 10 {
			set(t, s, alice, web, domain.Status(i%4), fmt.Sprint(i))
		}
		last := stored(s, alice, web)
		mirror := newMirror()
		mirror.follow(t, w, s)
		renewed := last
		renewed.Updated++
		put(t, s, image.Write{User: alice, Old: last, New: renewed})
		marker := set(t, s, bob, web, domain.Busy, "")
		if changes := next(t, w); len(changes) != 1 || changes[0].User != bob || changes[0].Presence.Revision != marker.Revision {
			t.Errorf("after a renewal told %+v, want only bob's change", changes)
		}
	}},
	{"the revision is that of the last change, and what was removed is remembered", func(t *testing.T, s *coretest.Core) {
		before := s.Revision()
		p, q := set(t, s, alice, web, domain.Busy, ""), set(t, s, alice, desk, domain.Away, "")
		if now := s.Revision(); before >= p.Revision || now != q.Revision {
			t.Errorf("the store's revision was %d and is %d; the presences' are %d and %d", before, now, p.Revision, q.Revision)
		}
		if known, forgotten := s.Kept(alice); known.Revision != q.Revision || forgotten >= p.Revision {
			t.Errorf("Kept = %d, %d before a removal", known.Revision, forgotten)
		}
		put(t, s, image.Write{User: alice, Old: p, New: p.Remove(moment)})
		put(t, s, image.Write{User: bob, Old: domain.Presence{Protocol: web}, New: domain.Presence{Protocol: web, Removed: true}}) // was never there
		last := kept(s, alice).Revision
		if last <= q.Revision || last != s.Revision() {
			t.Errorf("Kept = %d; the last change was %d, the store's revision is %d", last, q.Revision, s.Revision())
		}
		gone := domain.Change{User: alice, Presence: domain.Presence{Protocol: web, Removed: true, Revision: last}}
		if removed, err := s.Removals(q.Revision); err != nil || len(removed) != 1 || removed[0] != gone {
			t.Errorf("Removals = %+v, %v, want alice's at %d", removed, err, last)
		}
		if removed, err := s.Removals(last); err != nil || len(removed) != 0 {
			t.Errorf("Removals since the last one = %+v, %v", removed, err)
		}
		set(t, s, alice, web, domain.Available, "")
		if removed, err := s.Removals(q.Revision); err != nil || len(removed) != 0 {
			t.Errorf("Removals = %+v, %v though she is back", removed, err)
		}
	}},
	{"Next blocks until something changes", func(t *testing.T, s *coretest.Core) {
		w := watch(t, s)
		told := make(chan []domain.Change, 1)
		go func() {
			changes, _ := w.Next(t.Context())
			told <- changes
		}()
		select {
		case changes := <-told:
			t.Fatalf("returned %v before anything changed", changes)
		case <-time.After(20 * time.Millisecond):
		}
		set(t, s, alice, web, domain.Busy, "")
		select {
		case changes := <-told:
			if len(changes) != 1 || changes[0].User != alice {
				t.Errorf("told %+v, want alice's change", changes)
			}
		case <-time.After(patience):
			t.Error("a change was not told")
		}
	}},
	{"Next returns the context's error, and the watch goes on", func(t *testing.T, s *coretest.Core) {
		w := watch(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if changes, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v, %v; want DeadlineExceeded", changes, err)
		}
		set(t, s, alice, web, domain.Busy, "")
		if changes := next(t, w); len(changes) != 1 {
			t.Errorf("told %+v, want one change", changes)
		}
	}},
	{"Close ends Next, now and later, and may be repeated", func(t *testing.T, s *coretest.Core) {
		w := watch(t, s)
		ended := make(chan error, 1)
		go func() {
			_, err := w.Next(t.Context())
			ended <- err
		}()
		w.Close()
		w.Close()
		select {
		case err := <-ended:
			if !errors.Is(err, ports.ErrWatchClosed) {
				t.Errorf("Next = %v, want ErrWatchClosed", err)
			}
		case <-time.After(patience):
			t.Fatal("Next still blocks")
		}
		set(t, s, alice, web, domain.Busy, "")
		if changes, err := w.Next(within(t)); !errors.Is(err, ports.ErrWatchClosed) {
			t.Errorf("Next = %v, %v; want ErrWatchClosed", changes, err)
		}
	}},
	{"whatever is written while watches come and go, each ends with the store's state and never goes back", watchUnderLoad},
}

// readWhileWritten has readers begin while presences change, come and go: each of them once, so that no later change makes up for one that a
// reader has missed.
func readWhileWritten(t *testing.T, s *coretest.Core) {
	const users, rounds, together = 500, 100, 20
	ctx := within(t)
	for i := range users {
		set(t, s, numbered(i), web, domain.Busy, "")
	}
	for round := range rounds {
		var writing sync.WaitGroup
		writing.Go(func() {
			for i := range together {
				user := numbered((round*together + i) % users)
				old := stored(s, user, web)
				next := observed(web, domain.Away, fmt.Sprint(round))
				if old.Revision != 0 && i%3 == 0 {
					next = old.Remove(moment)
				}
				if err := s.Apply(ctx, image.Write{User: user, Old: old, New: next}); err != nil {
					t.Error(err)
				}
			}
		})
		w := s.Watch()
		mirror := newMirror()
		mirror.read(s)
		maps.DeleteFunc(mirror.state, func(_ domain.UserID, p domain.Presence) bool { return p.Revision > w.Began() }) // the watch tells these
		mirror.last = w.Began()
		writing.Wait()
		mirror.follow(t, w, s)
		w.Close()
		if t.Failed() {
			return
		}
	}
}

// watchUnderLoad lets several writers change, renew and remove at random while watches begin at random moments.
func watchUnderLoad(t *testing.T, s *coretest.Core) {
	const writers, rounds, users = 4, 300, 30
	ctx := within(t)
	var writing, watching sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range rounds {
				writeAtRandom(ctx, t, s, numbered(rand.IntN(users)))
			}
		})
	}
	done := make(chan struct{})
	for range 6 {
		w := s.Watch()
		mirror := newMirror()
		mirror.read(s)
		watching.Go(func() {
			defer w.Close()
			for {
				select {
				case <-done:
					mirror.follow(t, w, s)
					return
				default:
					short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
					changes, err := w.Next(short)
					cancel()
					if err == nil {
						mirror.take(t, changes)
					}
				}
			}
		})
		for range rand.IntN(rounds / 3) {
			writeAtRandom(ctx, t, s, alice)
		}
	}
	writing.Wait()
	close(done)
	watching.Wait()
}

func writeAtRandom(ctx context.Context, t *testing.T, s *coretest.Core, user domain.UserID) {
	old := stored(s, user, web)
	next := old
	switch rand.IntN(4) {
	case 0:
		next.Updated++
	case 1:
		if old.Revision != 0 {
			next = old.Remove(moment)
		}
	default:
		next.Status, next.Message = domain.Status(rand.IntN(4)), fmt.Sprint(rand.Int())
	}
	if err := s.Apply(ctx, image.Write{User: user, Old: old, New: next}); err != nil && !errors.Is(err, coretest.ErrConflict) {
		t.Error(err)
	}
}

// mirror is what a reader of a watch knows.
type mirror struct {
	state map[domain.UserID]domain.Presence
	last  domain.Revision
}

func newMirror() *mirror { return &mirror{state: map[domain.UserID]domain.Presence{}} }

// read takes over all that is stored on web.
func (m *mirror) read(s *coretest.Core) {
	s.Each(func(user domain.UserID, presences domain.Presences) bool {
		m.state[user], _ = presences.On(web)
		return true
	})
}

func (m *mirror) take(t *testing.T, changes []domain.Change) {
	if len(changes) == 0 {
		t.Error("Next returned neither changes nor an error")
	}
	for _, change := range changes {
		if change.Presence.Revision <= m.last {
			t.Errorf("revision %d told after %d", change.Presence.Revision, m.last)
		}
		m.last = change.Presence.Revision
		if change.Presence.Removed {
			delete(m.state, change.User)
		} else {
			m.state[change.User] = change.Presence
		}
	}
}

// follow reads the watch until the mirror shows all that is stored on web.
func (m *mirror) follow(t *testing.T, w *image.Watch, s *coretest.Core) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !m.equals(s) {
		changes, err := w.Next(ctx)
		if err != nil {
			t.Errorf("the watch shows %d presences, not what is stored: %v", len(m.state), err)
			return
		}
		m.take(t, changes)
	}
}

func (m *mirror) equals(s *coretest.Core) bool {
	count, equal := 0, true
	s.Each(func(user domain.UserID, presences domain.Presences) bool {
		count++
		p, _ := presences.On(web)
		seen := m.state[user]
		seen.Updated = p.Updated // a watch does not tell of renewals
		equal = seen == p
		return equal
	})
	return equal && count == len(m.state)
}

func numbered(i int) domain.UserID { return domain.UserID(fmt.Sprintf("user%d@example.test", i)) }

func observed(protocol domain.Protocol, status domain.Status, message string) domain.Presence {
	return domain.Presence{Protocol: protocol, Status: status, Message: message, Since: moment, Updated: moment}
}

func stored(s *coretest.Core, user domain.UserID, protocol domain.Protocol) domain.Presence {
	p, _ := s.Presences(user).On(protocol)
	return p
}

func put(t *testing.T, s *coretest.Core, writes ...image.Write) {
	t.Helper()
	if err := s.Apply(within(t), writes...); err != nil {
		t.Fatal(err)
	}
}

// set writes a status over whatever is there and returns what is stored then.
func set(t *testing.T, s *coretest.Core, user domain.UserID, protocol domain.Protocol, status domain.Status, message string) domain.Presence {
	t.Helper()
	next := observed(protocol, status, message)
	put(t, s, image.Write{User: user, Old: stored(s, user, protocol), New: next})
	return stored(s, user, protocol)
}

func watch(t *testing.T, s *coretest.Core) *image.Watch {
	t.Helper()
	w := s.Watch()
	t.Cleanup(w.Close)
	return w
}

func next(t *testing.T, w *image.Watch) []domain.Change {
	t.Helper()
	changes, err := w.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// kept returns what is kept of a user.
func kept(s *coretest.Core, user domain.UserID) *domain.Known {
	known, _ := s.Kept(user)
	return known
}
