package domain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

func table(t *testing.T, records ...domain.Identity) *domain.Identities {
	t.Helper()
	made, err := domain.NewIdentities(records)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Who has a record of their own is in its groups; everybody else is in those of the first pattern.
func TestGroups(t *testing.T) {
	d := table(t,
		domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk", "sales", "helpdesk"}},
		domain.Identity{User: "Alice@Example.test", Groups: []string{"helpdesk"}},
		domain.Identity{User: "u7@example.test"},
		domain.Identity{User: "u{number}@example.test", Groups: []string{"phones", "helpdesk"}},
		domain.Identity{User: "{name}@example.test", Groups: []string{"staff"}},
	)
	if got, want := d.Groups(), []string{"helpdesk", "phones", "sales", "staff"}; !slices.Equal(got, want) {
		t.Errorf("the groups are %q, want %q", got, want)
	}
	ids := func(users []domain.UserID) (ids []string) {
		for _, user := range users {
			ids = append(ids, string(user))
		}
		return ids
	}
	for name, want := range map[string]string{
		"helpdesk": "[alice@example.test zoe@example.test] [u1@example.test]",
		"sales":    "[zoe@example.test] []",
		"phones":   "[] [u1@example.test]",
		"staff":    "[] [1@example.test]",
	} {
		g := d.Group(name)
		if got := fmt.Sprint(ids(g.Users), ids(g.Patterns)); got != want {
			t.Errorf("group %q has %s, want %s", name, got, want)
		}
	}
	if d.Group("Helpdesk") != nil || d.Group("") != nil {
		t.Error("there is a group that nobody has named")
	}
	for user, want := range map[domain.UserID]string{
		"u8@example.test": "phones helpdesk", "u7@example.test": "", "bob@example.test": "staff", "alice@example.test": "", "bob@elsewhere.test": "",
	} {
		if got := strings.Join(d.InPattern(user), " "); got != want {
			t.Errorf("%s is in %q by a pattern, want %q", user, got, want)
		}
	}
	var nothing *domain.Identities
	if nothing.Group("helpdesk") != nil || nothing.Groups() != nil || nothing.InPattern("u8@example.test") != nil {
		t.Error("an empty table has groups")
	}
	if _, err := domain.NewIdentities([]domain.Identity{{User: "zoe@example.test", Groups: []string{"helpdesk", " "}}}); err == nil ||
		faults(t, err) != `entry 1 (zoe@example.test): invalid identity: the name of a group is empty` {
		t.Errorf("a group without a name: %v", err)
	}
}

func TestSameGroups(t *testing.T) {
	zoe := domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk"}}
	all := domain.Identity{User: "{name}@example.test", Groups: []string{"staff"}}
	alone := domain.Identity{User: "alice@example.test"}
	named := zoe
	named.DisplayName = "Zoe"
	for _, test := range []struct {
		what        string
		left, right []domain.Identity
		same        bool
	}{
		{"a name", []domain.Identity{zoe}, []domain.Identity{named}, true},
		{"nothing in groups", []domain.Identity{alone}, nil, true},
		{"another order", []domain.Identity{zoe, all}, []domain.Identity{all, zoe}, true},
		{"a group less", []domain.Identity{zoe, all}, []domain.Identity{zoe}, false},
		{"a record that takes somebody out of a pattern", []domain.Identity{all}, []domain.Identity{all, alone}, false},
	} {
		if got := table(t, test.left...).SameGroups(table(t, test.right...)); got != test.same {
			t.Errorf("%s: the same groups: %v", test.what, got)
		}
	}
	if table(t, zoe).SameGroups(nil) || !(*domain.Identities)(nil).SameGroups(table(t, alone)) {
		t.Error("an empty table has other groups than it has")
	}
}

// A key may ask about those members of a group that it lists.
func TestReads(t *testing.T) {
	users, err := domain.ParseUserList([]string{"*@example.test", "group:helpdesk"})
	if err != nil {
		t.Fatal(err)
	}
	key := domain.Key{Users: users, Groups: groupsOf}
	reads := key
	reads.Read = true
	for user, want := range map[domain.UserID]bool{"alice@example.test": true, "carl@elsewhere.test": true, "dora@elsewhere.test": false} {
		if got := (domain.Principal{Key: &reads}).Reads(user); got != want {
			t.Errorf("the key may ask about %s: %v", user, got)
		}
		if (domain.Principal{Key: &key}).Reads(user) || !(domain.Principal{}).Reads(user) {
			t.Errorf("a key that may not ask asks about %s, or a user may not", user)
		}
	}
}
