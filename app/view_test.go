package app_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// viewOf makes a view and checks that it shows what Query answers.
func (f *fixture) viewOf(t tester, ids ...string) ports.View {
	t.Helper()
	v, err := f.View(ids)
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	if !reflect.DeepEqual(v.IDs(), ids) {
		t.Fatalf("the ids of a view of %q are %q", ids, v.IDs())
	}
	f.isCurrent(t, v)
	return v
}

// isCurrent checks that a view shows what Query answers.
func (f *fixture) isCurrent(t tester, v ports.View) {
	t.Helper()
	want, err := f.Query(v.IDs(), nil)
	if err != nil {
		t.Fatalf("Query: %v", err)
	}
	if !reflect.DeepEqual(v.Presences(), want) {
		t.Fatalf("the view shows %+v, Query %+v", v.Presences(), want)
	}
}

// refresh checks that the view is current then.
func (f *fixture) refresh(t tester, v ports.View, wantChanged bool) ports.View {
	t.Helper()
	next, changed := v.Refresh()
	f.isCurrent(t, next)
	if changed != wantChanged {
		t.Fatalf("changed is %t, want %t: from %+v to %+v", changed, wantChanged, v.Presences(), next.Presences())
	}
	return next
}

type tester interface {
	Helper()
	Fatalf(string, ...any)
}

func TestViewFollowsWhatHappens(t *testing.T) {
	f := newFixture(t)
	f.observe(t, mark, domain.Available, "hello")
	v := f.viewOf(t, "MarkD@zarafa.com", string(anna), "nobody@example.test", "markd@zarafa.com")
	if next := f.refresh(t, v, false); next != v {
		t.Error("nothing has happened, and there is a new view")
	}
	f.observe(t, mark, domain.Busy, "hello")
	v = f.refresh(t, v, true)
	f.observe(t, anna, domain.Away, "") // she was not there
	v = f.refresh(t, v, true)
	f.clock.now++
	f.observe(t, anna, domain.Away, "") // a renewal
	before := v
	if v = f.refresh(t, v, false); v == before {
		t.Error("a renewal is not shown")
	}
	f.remove(t, anna)
	v = f.refresh(t, v, true)
	f.observe(t, anna, domain.Away, "") // back, in another slot
	v = f.refresh(t, v, true)
	f.remove(t, anna)
	f.observe(t, anna, domain.Away, "") // between two refreshes
	v, _ = v.Refresh()
	f.isCurrent(t, v)
	f.observe(t, anna, domain.Busy, "")
	f.refresh(t, v, true)
}

func (f *fixture) remove(t *testing.T, user domain.UserID) {
	t.Helper()
	old, _ := f.store.Presences(user).On(chat)
	if err := f.store.Apply(t.Context(), image.Write{User: user, Old: old, New: old.Remove(f.clock.now)}); err != nil {
		t.Fatal(err)
	}
}

// TestViewExpiresExactly: also when the clock is set back.
func TestViewExpiresExactly(t *testing.T) {
	f := newFixture(t)
	f.set(t, mark, "available", "hello")
	f.clock.now = f.clock.now.Add(time.Second)
	f.set(t, anna, "busy", "")
	v := f.viewOf(t, string(mark), string(anna))
	for _, step := range []struct {
		to      time.Duration
		changed bool
	}{{120 * time.Second, false}, {120*time.Second + 1, true}, {121 * time.Second, false}, {121*time.Second + 1, true}, {time.Hour, false}, {121 * time.Second, true}, {time.Minute, true}} {
		f.clock.now = start.Add(step.to)
		v = f.refresh(t, v, step.changed)
	}
}

func (f *fixture) set(t tester, user domain.UserID, status, message string) {
	t.Helper()
	err := f.Update(context.Background(), asService, []domain.Update{{User: string(user), Protocol: web.String(), Status: status, Message: message}})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func TestViewOfBadIDs(t *testing.T) {
	f := newFixture(t)
	_, want := f.Query([]string{"a@b", "x", "c@d", ""}, nil)
	v, err := f.View([]string{"a@b", "x", "c@d", ""})
	if v != nil || !errors.Is(err, domain.ErrInvalidUser) || err.Error() != want.Error() {
		t.Errorf("View = %v, %v; want the error of Query, %v", v, err, want)
	}
}

// TestViewKeepsNothingOfTheIDs: they may be in a server's buffer that is used again.
func TestViewKeepsNothingOfTheIDs(t *testing.T) {
	f := newFixture(t)
	buffer := []byte(mark)
	ids := []string{unsafeString(buffer)}
	v, err := f.View(ids)
	if err != nil {
		t.Fatal(err)
	}
	copy(buffer, "xxxxxxxxxxxx")
	ids[0] = "other@example.test"
	f.observe(t, mark, domain.Busy, "")
	f.refresh(t, v, true)
	if v.IDs()[0] != string(mark) {
		t.Errorf("the view is of %q", v.IDs())
	}
}

func TestRefreshAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.observe(t, mark, domain.Busy, "")
	f.set(t, anna, "busy", "")
	v := f.viewOf(t, string(mark), string(anna), "nobody@example.test")
	if n := testing.AllocsPerRun(100, func() { v.Refresh() }); n != 0 {
		t.Errorf("%v allocations when nothing has happened", n)
	}
}

// TestViewProperties: whatever happens, a refreshed view shows what Query answers, and changed is false only if what it shows
// reads as before.
func TestViewProperties(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		f := &fixture{store: coretest.Start(outer), clock: &fixedClock{start}}
		var err error
		if f.Presence, err = app.NewPresence(f.store.Core, f.clock, []domain.ClientProtocol{spreed}, []domain.Protocol{chat}); err != nil {
			t.Fatal(err)
		}
		user := rapid.Custom(func(t *rapid.T) domain.UserID {
			return domain.UserID(fmt.Sprintf("user%d@example.test", rapid.IntRange(0, 5).Draw(t, "user")))
		})
		ids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return string(user.Draw(t, "id")) }), 1, 8).Draw(t, "ids")
		v := f.viewOf(t, ids...)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				f.set(t, user.Draw(t, "user"), rapid.SampledFrom([]string{"busy", "away", "unavailable"}).Draw(t, "status"), rapid.SampledFrom([]string{"", "x"}).Draw(t, "message"))
			},
			"write": func(t *rapid.T) {
				id, protocol := user.Draw(t, "user"), rapid.SampledFrom([]domain.Protocol{web, chat}).Draw(t, "protocol")
				old, known := f.store.Presences(id).On(protocol)
				next := old.MarkStale(domain.ExpiryPolicy{After: time.Minute}, f.clock.now)
				if known && rapid.Bool().Draw(t, "remove") {
					next = old.Remove(f.clock.now)
				}
				if err := f.store.Apply(context.Background(), image.Write{User: id, Old: old, New: next}); err != nil {
					t.Fatal(err)
				}
			},
			"time": func(t *rapid.T) {
				f.clock.now = f.clock.now.Add(time.Duration(rapid.IntRange(-30, 90).Draw(t, "seconds")) * time.Second)
			},
			"refresh": func(t *rapid.T) {
				next, changed := v.Refresh()
				f.isCurrent(t, next)
				if !changed && rendered(v) != rendered(next) {
					t.Fatalf("not changed, from %+v to %+v", v.Presences(), next.Presences())
				}
				v = next
			},
		})
	})
}

// rendered is all that there is to read in a view but the times of renewals.
func rendered(v ports.View) (text string) {
	for _, presences := range v.Presences() {
		for _, p := range presences {
			p.Updated, p.Expires = 0, 0
			text += fmt.Sprintf("%+v ", p)
		}
		text += "\n"
	}
	return text
}

// TestConcurrentRefreshes: what was written before a refresh is in it, whoever else refreshes and writes.
func TestConcurrentRefreshes(t *testing.T) {
	store := coretest.Start(t)
	presence := newPresence(t, store, &fixedClock{start})
	const users, rounds = 8, 300
	ids := make([]string, users)
	for i := range ids {
		ids[i] = fmt.Sprintf("user%d@example.test", i)
	}
	shared, err := presence.View(ids)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			v := shared
			for round := range rounds {
				user := domain.UserID(id)
				old, known := store.Presences(user).On(chat)
				next := domain.Presence{Protocol: chat, Status: domain.Busy, Message: fmt.Sprint(round)}
				if known && round%5 == 0 {
					next = old.Remove(start)
				}
				if err := store.Apply(t.Context(), image.Write{User: user, Old: old, New: next}); err != nil {
					t.Error(err)
					return
				}
				v, _ = v.Refresh()
				if got, _ := v.Presences()[i].On(chat); next.Removed != (len(v.Presences()[i]) == 0) || got.Message != next.Message {
					t.Errorf("after writing %+v the view shows %+v", next, v.Presences()[i])
					return
				}
			}
		})
	}
	all.Wait()
}
