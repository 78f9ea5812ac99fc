package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// directory is the use case over the fixture's store, with a table of some records.
func (f *fixture) directory(t tester, records ...domain.Identity) *app.Directory {
	t.Helper()
	return app.NewDirectory(f.feed(), app.NewIdentities(tableOf(t, records...)))
}

func tableOf(t tester, records ...domain.Identity) *domain.Identities {
	t.Helper()
	table, err := domain.NewIdentities(records)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return table
}

// members renders the members of a group.
func members(t tester, d ports.Directory, by domain.Principal, group string) string {
	t.Helper()
	users, more, err := d.Members(by, group, 1000, []domain.UserID{"first"})
	if err != nil {
		return err.Error()
	}
	if more || users[0] != "first" {
		t.Fatalf("the members of %s are %v, and more: %v", group, users, more)
	}
	return strings.Trim(fmt.Sprint(users[1:]), "[]")
}

var (
	zoe    = domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk"}}
	ann    = domain.Identity{User: "ann@example.test", Groups: []string{"helpdesk", "sales"}}
	phones = domain.Identity{User: "u{number}@example.test", Groups: []string{"phones", "helpdesk"}}
)

// Members are the users with a record of their own, known or not, and the known ones who have the form of a pattern.
func TestMembers(t *testing.T) {
	f := newFixture(t)
	d := f.directory(t, zoe, ann, phones)
	f.observe(t, "u7@example.test", domain.Busy, "")
	f.observe(t, "zoe@example.test", domain.Busy, "")
	f.observe(t, "x7@example.test", domain.Busy, "")
	expect := func(group, want string) {
		t.Helper()
		if got := members(t, d, domain.Principal{}, group); got != want {
			t.Errorf("the members of %s are %s, want %s", group, got, want)
		}
	}
	expect("helpdesk", "ann@example.test u7@example.test zoe@example.test")
	expect("sales", "ann@example.test")
	f.observe(t, "u8@example.test", domain.Away, "")
	f.remove(t, "u7@example.test")
	expect("phones", "u8@example.test")
	f.observe(t, "u7@example.test", domain.Away, "")
	expect("phones", "u7@example.test u8@example.test")
	expect("Phones", `unknown group "Phones"`)
	d.Replace(tableOf(t, domain.Identity{User: "u8@example.test"}, phones, domain.Identity{User: "x{number}@example.test", Groups: []string{"sales"}}))
	expect("phones", "u7@example.test")
	expect("sales", "x7@example.test")
	if users, more, err := d.Members(domain.Principal{}, "helpdesk", 0, nil); len(users) != 0 || !more || err != nil {
		t.Errorf("of one member at most none is %v, more %v, %v", users, more, err)
	}
}

// Who is known is what a read at this moment tells: an end that has passed counts, though nobody has written it down yet.
func TestMembersExpire(t *testing.T) {
	f := newManualFixture(t)
	d := f.directory(t, phones)
	until := domain.Update{User: "u7@example.test", Protocol: "manual", Status: "busy", Until: f.clock.now.Add(time.Minute)}
	if err := f.Update(t.Context(), asService, []domain.Update{until}); err != nil {
		t.Fatal(err)
	}
	if got := members(t, d, domain.Principal{}, "phones"); got != "u7@example.test" {
		t.Errorf("the members are %s", got)
	}
	f.clock.now = f.clock.now.Add(2 * time.Minute)
	if got := members(t, d, domain.Principal{}, "phones"); got != "" || f.store.User("u7@example.test") == nil {
		t.Errorf("after the end the members are %s", got)
	}
	if users, _, err := d.Users(t.Context(), domain.Principal{}, "", 10, nil); len(users) != 0 || err != nil {
		t.Errorf("after the end everybody is %v, %v", users, err)
	}
}

// A key finds the members of a group that it lists. A group without such members does not exist for it, whoever is known.
func TestMembersForKey(t *testing.T) {
	f := newFixture(t)
	d := f.directory(t, zoe, ann, phones, domain.Identity{User: "bob@elsewhere.test", Groups: []string{"board"}},
		domain.Identity{User: "{name}@elsewhere.test", Groups: []string{"guests"}})
	f.observe(t, "u7@example.test", domain.Busy, "")
	f.observe(t, "carl@elsewhere.test", domain.Busy, "")
	users, err := domain.ParseUserList([]string{"group:phones", "zoe@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	key := domain.Principal{Key: &domain.Key{Users: users, Groups: d.Groups, Read: true}}
	for group, want := range map[string]string{
		"helpdesk": "u7@example.test zoe@example.test", "phones": "u7@example.test",
		"sales": `unknown group "sales"`, "board": `unknown group "board"`, "guests": `unknown group "guests"`,
	} {
		if got := members(t, d, key, group); got != want {
			t.Errorf("the members of %s are %s, want %s", group, got, want)
		}
	}
	f.remove(t, "u7@example.test")
	if got := members(t, d, key, "phones"); got != "" {
		t.Errorf("while nobody has the form of the pattern the members are %s", got)
	}
	for _, test := range []struct {
		by   domain.Principal
		want []ports.Group
	}{
		{key, []ports.Group{{Name: "helpdesk", Members: 1}, {Name: "phones"}}},
		{domain.Principal{}, []ports.Group{{Name: "board", Members: 1}, {Name: "guests", Members: 1, More: false}, {Name: "helpdesk", Members: 1, More: true}, {Name: "phones"}, {Name: "sales", Members: 1}}},
	} {
		if got, err := d.List(t.Context(), test.by, 1); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("the groups are %v, %v; want %v", got, err, test.want)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := d.List(ended, key, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("the groups are listed although nobody waits: %v", err)
	}
}

// Nobody is missed who becomes known while the members are sought by another table.
func TestMembersWhileTheyCome(t *testing.T) {
	f := newFixture(t)
	d := f.directory(t, phones)
	const all = 300
	come := make(chan struct{})
	go func() {
		defer close(come)
		for i := range all {
			f.set(t, domain.UserID(fmt.Sprintf("u%d@example.test", i)), "busy", "")
		}
	}()
	for here := false; !here; {
		d.Replace(tableOf(t, phones))
		before := f.store.Users()
		if users, _, err := d.Members(domain.Principal{}, "phones", all, nil); err != nil || len(users) < before {
			t.Errorf("%d members are known of %d, %v", len(users), before, err)
		}
		select {
		case <-come:
			here = true
		default:
		}
	}
	if users, _, err := d.Members(domain.Principal{}, "phones", all, nil); err != nil || len(users) != all {
		t.Errorf("at the end there are %d members, %v", len(users), err)
	}
}

// Whoever is there all the time is told exactly once, whatever happens between two pages.
func TestPages(t *testing.T) {
	f := newFixture(t)
	d := f.directory(t)
	id := func(i int) domain.UserID { return domain.UserID(fmt.Sprintf("user%d@example.test", i)) }
	rapid.Check(t, func(rt *rapid.T) {
		f.store.Each(func(user domain.UserID, _ domain.Presences) bool { f.remove(t, user); return true })
		stays, flips := make(map[domain.UserID]int), map[domain.UserID]bool{}
		for i := range 40 {
			switch rapid.IntRange(0, 2).Draw(rt, "is") {
			case 0:
				f.observe(t, id(i), domain.Away, "")
				stays[id(i)] = 0
			case 1:
				flips[id(i)] = false
			}
		}
		size := rapid.IntRange(1, 12).Draw(rt, "size")
		var last domain.UserID
		for more := true; more; {
			var page []domain.UserID
			var err error
			page, more, err = d.Users(t.Context(), domain.Principal{}, last, size, nil)
			if err != nil || len(page) > size || more && len(page) < size || !slices.IsSorted(page) || len(page) > 0 && page[0] <= last {
				rt.Fatalf("after %s: %v, more %v, %v", last, page, more, err)
			}
			for _, user := range page {
				if _, there := stays[user]; there {
					stays[user]++
				} else if !flips[user] {
					rt.Fatalf("%s is told, and is not there", user)
				}
				last = user
			}
			for user, there := range flips {
				if !rapid.Bool().Draw(rt, "flip") {
					continue
				}
				if flips[user] = !there; there {
					f.remove(t, user)
				} else {
					f.observe(t, user, domain.Busy, "")
				}
			}
		}
		for user, times := range stays {
			if times != 1 {
				rt.Fatalf("%s is told %d times", user, times)
			}
		}
	})
	ended, end := context.WithCancel(t.Context())
	end()
	if _, _, err := d.Users(ended, domain.Principal{}, "", 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("everybody is sought although nobody waits: %v", err)
	}
}

// BenchmarkPage measures a page of a hundred thousand users, in the middle.
func BenchmarkPage(b *testing.B) {
	store := coretest.Start(b)
	const all = 100_000
	for begin := 0; begin < all; begin += 1000 {
		writes := make([]image.Write, 1000)
		for i := range writes {
			user := domain.UserID(crowd(begin + i))
			p := domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, start)
			writes[i] = image.Write{User: user, Old: domain.Presence{Protocol: web}, New: p}
		}
		if err := store.Apply(context.Background(), writes...); err != nil {
			b.Fatal(err)
		}
	}
	var into []domain.UserID
	for b.Loop() {
		page, more, err := store.Directory.Users(context.Background(), domain.Principal{Service: true}, domain.UserID(crowd(all/2)), 1000, into[:0])
		if err != nil || !more || len(page) != 1000 {
			b.Fatal(len(page), more, err)
		}
		into = page
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/all, "ns/user")
}
