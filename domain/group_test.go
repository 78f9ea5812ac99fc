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

// The groups that have other members by another table are those that a user comes into or leaves, by a record or by a pattern; and no others.
func TestRegrouped(t *testing.T) {
	zoe := domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk"}}
	all := domain.Identity{User: "{name}@example.test", Groups: []string{"staff"}}
	some := domain.Identity{User: "u{number}@example.test", Groups: []string{"phones"}}
	alone := domain.Identity{User: "alice@example.test"}
	named, sold, both := zoe, zoe, zoe
	named.DisplayName, sold.Groups, both.Groups = "Zoe", []string{"sales"}, []string{"helpdesk", "sales"}
	for _, test := range []struct {
		what        string
		left, right []domain.Identity
		want        []string
	}{
		{"a name", []domain.Identity{zoe}, []domain.Identity{named}, nil},
		{"nothing in groups", []domain.Identity{alone}, nil, nil},
		{"another order", []domain.Identity{zoe, all}, []domain.Identity{all, zoe}, nil},
		{"a group less", []domain.Identity{zoe, all}, []domain.Identity{zoe}, []string{"staff"}},
		{"somebody is in another group", []domain.Identity{zoe, all}, []domain.Identity{sold, all}, []string{"helpdesk", "sales"}},
		{"somebody is in one more", []domain.Identity{zoe, all}, []domain.Identity{both, all}, []string{"helpdesk", "sales"}},
		{"a record less, whose user has a pattern's form", []domain.Identity{zoe, all, some}, []domain.Identity{all, some}, []string{"helpdesk", "staff"}},
		{"a record that takes somebody out of a pattern", []domain.Identity{all, some}, []domain.Identity{all, some, alone}, []string{"staff"}},
		{"a record that says what a pattern does", []domain.Identity{all}, []domain.Identity{all, {User: "alice@example.test", Groups: all.Groups}}, []string{"staff"}},
		{"patterns in another order", []domain.Identity{zoe, all, some}, []domain.Identity{zoe, some, all}, []string{"phones", "staff"}},
		{"a pattern in no group before", []domain.Identity{zoe, all}, []domain.Identity{zoe, {User: "u{number}@example.test"}, all}, []string{"staff"}},
		{"all", nil, []domain.Identity{zoe, all}, []string{"helpdesk", "staff"}},
	} {
		left, right := table(t, test.left...), table(t, test.right...)
		if got := left.Regrouped(right); !slices.Equal(got, test.want) {
			t.Errorf("%s: there are others in %v, want %v", test.what, got, test.want)
		}
		if got := right.Regrouped(left); !slices.Equal(got, test.want) {
			t.Errorf("%s, the other way round: there are others in %v, want %v", test.what, got, test.want)
		}
	}
	if got := table(t, zoe).Regrouped(nil); !slices.Equal(got, zoe.Groups) {
		t.Errorf("without a table there are others in %v", got)
	}
	if got := (*domain.Identities)(nil).Regrouped(table(t, zoe)); !slices.Equal(got, zoe.Groups) {
		t.Errorf("with the first table there are others in %v", got)
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
