package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

// memberships has two groups.
func memberships(user domain.UserID) []string {
	return map[domain.UserID][]string{"anna@example.test": {"helpdesk"}, "bea@example.test": {"helpdesk", "board"}, "crm@example.test": {"board"}}[user]
}

// visibility makes rules of lines such as "* self all".
func visibility(t testing.TB, seeInvisible []string, lines ...string) *domain.Visibility {
	t.Helper()
	var rules []domain.VisibilityRule
	for _, line := range lines {
		words := strings.Fields(line)
		rules = append(rules, domain.VisibilityRule{Viewer: words[0], User: words[1], Sees: words[2]})
	}
	list, err := domain.ParseUserList(seeInvisible)
	if err != nil {
		t.Fatal(err)
	}
	v, err := domain.NewVisibility(rules, list)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var (
	person  = func(id domain.UserID) domain.Principal { return domain.Principal{User: id} }
	service = func(id domain.UserID) domain.Principal { return domain.Principal{User: id, Service: true} }
	static  = func(name string) domain.Principal {
		return domain.Principal{User: domain.UserID("key:" + name), Key: &domain.Key{Read: true}}
	}
)

func TestSight(t *testing.T) {
	for _, test := range []struct {
		name   string
		rules  []string
		viewer domain.Principal
		user   domain.UserID
		want   domain.Sight
	}{
		{"no rules", nil, person("anna@example.test"), "bea@example.test", domain.SeesAll},
		{"no rule matches", []string{"cleo@example.test * all"}, person("anna@example.test"), "bea@example.test", domain.SeesNothing},
		{"the first counts", []string{"* * status", "* * all"}, person("anna@example.test"), "bea@example.test", domain.SeesStatus},
		{"the first that matches counts", []string{"* cleo@example.test nothing", "* * all"}, person("anna@example.test"), "bea@example.test", domain.SeesAll},
		{"oneself, without a rule", []string{"cleo@example.test * all"}, person("anna@example.test"), "anna@example.test", domain.SeesInvisible},
		{"oneself, against a rule", []string{"* * nothing"}, person("anna@example.test"), "anna@example.test", domain.SeesInvisible},
		{"self is no other", []string{"* self all", "self * all"}, person("anna@example.test"), "bea@example.test", domain.SeesNothing},
		{"an id in another spelling", []string{"Anna@Example.Test BEA@example.test all"}, person("anna@example.test"), "bea@example.test", domain.SeesAll},
		{"a domain", []string{"*@example.test *@Other.test status"}, person("anna@example.test"), "bea@other.test", domain.SeesStatus},
		{"another domain", []string{"*@example.test *@other.test status"}, person("anna@other.test"), "bea@other.test", domain.SeesNothing},
		{"no subdomain", []string{"* *@example.test all"}, person("anna@example.test"), "bea@sub.example.test", domain.SeesNothing},
		{"groups", []string{"group:helpdesk group:board all"}, person("anna@example.test"), "bea@example.test", domain.SeesAll},
		{"not in the group", []string{"group:helpdesk group:board all"}, person("bea@example.test"), "anna@example.test", domain.SeesNothing},
		{"a service", []string{"service * all"}, service("crm@example.test"), "anna@example.test", domain.SeesAll},
		{"no service", []string{"service * all"}, person("crm@example.test"), "anna@example.test", domain.SeesNothing},
		{"a service is a user, too", []string{"group:board * all"}, service("crm@example.test"), "anna@example.test", domain.SeesAll},
		{"a key", []string{"key:pbx * all"}, static("pbx"), "anna@example.test", domain.SeesAll},
		{"another key", []string{"key:pbx * all"}, static("pbx2"), "anna@example.test", domain.SeesNothing},
		{"a key is anybody", []string{"* * status"}, static("pbx"), "anna@example.test", domain.SeesStatus},
		{"a key is no service", []string{"service * all"}, static("pbx"), "anna@example.test", domain.SeesNothing},
		{"whoever has the files", []string{"* * nothing"}, domain.Principal{Local: true}, "anna@example.test", domain.SeesInvisible},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := visibility(t, nil, test.rules...)
			if got := v.Sight(&test.viewer, test.user, memberships); got != test.want {
				t.Errorf("%s sees %s of %s, want %s", test.viewer.User, got, test.user, test.want)
			}
			if v.Unrestricted() != (len(test.rules) == 0) {
				t.Errorf("Unrestricted = %t", v.Unrestricted())
			}
		})
	}
}

// TestSeeInvisible: only services see through invisibility, and only if they see all of the user anyway.
func TestSeeInvisible(t *testing.T) {
	listed := []string{"crm@example.test", "group:helpdesk"}
	for _, test := range []struct {
		name   string
		rules  []string
		viewer domain.Principal
		want   domain.Sight
	}{
		{"a service", nil, service("crm@example.test"), domain.SeesInvisible},
		{"a service of a group", nil, service("anna@example.test"), domain.SeesInvisible},
		{"no service", nil, person("crm@example.test"), domain.SeesAll},
		{"another service", nil, service("erp@example.test"), domain.SeesAll},
		{"by a rule", []string{"service * all"}, service("crm@example.test"), domain.SeesInvisible},
		{"a service that sees the status", []string{"service * status"}, service("crm@example.test"), domain.SeesStatus},
		{"a service that sees nothing", []string{"cleo@example.test * all"}, service("crm@example.test"), domain.SeesNothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := visibility(t, listed, test.rules...).Sight(&test.viewer, "bea@example.test", memberships); got != test.want {
				t.Errorf("%s sees %s, want %s", test.viewer.User, got, test.want)
			}
		})
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	for _, test := range []struct{ viewer, user, sees, want string }{
		{"", "*", "all", `entry 1: viewer: invalid user ""`},
		{"*", "", "all", `entry 1: user: invalid user ""`},
		{"anna", "*", "all", `viewer: invalid user "anna"`},
		{"*", "service", "all", `user: invalid user "service"`},
		{"*", "key:pbx", "all", `user: invalid user "key:pbx"`},
		{"key:", "*", "all", `viewer: invalid rule of visibility: "key:": the name of the key is missing`},
		{"group: ", "*", "all", `viewer: invalid rule of visibility: "group: ": the name of the group is missing`},
		{"*", "*@", "all", `user: invalid rule of visibility: "*@": it is no domain`},
		{"*", "*", "", `entry 1: sees: invalid rule of visibility: "" is none of all, status and nothing`},
		{"*", "*", "invisible", `"invisible" is none of all, status and nothing`},
		{"self", "*", "nothing", `sees: invalid rule of visibility: everybody sees all of oneself`},
		{"*", "self", "status", `sees: invalid rule of visibility: everybody sees all of oneself`},
	} {
		_, err := domain.NewVisibility([]domain.VisibilityRule{{Viewer: test.viewer, User: test.user, Sees: test.sees}}, domain.UserList{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s %s: %v, want %s", test.viewer, test.user, test.sees, err, test.want)
		} else if !errors.Is(err, domain.ErrInvalidRule) && !errors.Is(err, domain.ErrInvalidUser) {
			t.Errorf("%v wraps no error of the domain", err)
		}
	}
	_, err := domain.NewVisibility([]domain.VisibilityRule{{"*", "*", "all"}, {"x", "y", "z"}}, domain.UserList{})
	for _, want := range []string{"entry 2: viewer: ", "\nentry 2: user: ", "\nentry 2: sees: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

var parties = []string{"*", "self", "anna@example.test", "bea@example.test", "*@example.test", "*@other.test", "group:helpdesk", "group:board"}

// TestSightsAreOfTheFirstRule: the sight is that of the first rule that matches by itself.
func TestSightsAreOfTheFirstRule(t *testing.T) {
	users := []domain.UserID{"anna@example.test", "bea@example.test", "crm@example.test", "dora@other.test"}
	words := map[string]domain.Sight{"all": domain.SeesAll, "status": domain.SeesStatus, "nothing": domain.SeesNothing}
	rapid.Check(t, func(rt *rapid.T) {
		viewer := rapid.SampledFrom([]domain.Principal{
			person("anna@example.test"), person("dora@other.test"), service("crm@example.test"), static("pbx"),
		}).Draw(rt, "viewer")
		user := rapid.SampledFrom(users).Draw(rt, "user")
		var lines []string
		want := domain.SeesNothing
		for matched := false; len(lines) < 8; {
			who := rapid.SampledFrom(append([]string{"service", "key:pbx"}, parties...)).Draw(rt, "rule's viewer") +
				" " + rapid.SampledFrom(parties).Draw(rt, "rule's user") + " "
			sees := "all"
			if !strings.Contains(who, "self") {
				sees = rapid.SampledFrom([]string{"all", "status", "nothing"}).Draw(rt, "sees")
			}
			lines = append(lines, who+sees)
			if alone := visibility(t, nil, who+"all").Sight(&viewer, user, memberships); !matched && alone == domain.SeesAll {
				want, matched = words[sees], true
			}
		}
		if viewer.Key == nil && viewer.User == user {
			want = domain.SeesInvisible
		}
		if got := visibility(t, nil, lines...).Sight(&viewer, user, memberships); got != want {
			rt.Fatalf("%s sees %s of %s, want %s: %q", viewer.User, got, user, want, lines)
		}
	})
}

// TestSightDoesNotAllocate: it is asked for each user of each request.
func TestSightDoesNotAllocate(t *testing.T) {
	v := visibility(t, []string{"crm@example.test"}, "group:x * all", "cleo@example.test * all", "*@other.test * nothing", "service * status", "* * all")
	viewer := person("anna@example.test")
	list := []string{"helpdesk"}
	groups := func(domain.UserID) []string { return list }
	if n := testing.AllocsPerRun(100, func() { v.Sight(&viewer, "bea@example.test", groups) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzVisibilityRule: a rule is refused with an error of the domain in one line, or it says something of everybody. What it means does not
// depend on the spelling of ids.
func FuzzVisibilityRule(f *testing.F) {
	for _, viewer := range append([]string{"service", "key:pbx", "key:", "group:", "*@", "**", ""}, parties...) {
		f.Add(viewer, "*", "all")
		f.Add("*", viewer, "nothing")
	}
	f.Fuzz(func(t *testing.T, viewer, user, sees string) {
		v, err := domain.NewVisibility([]domain.VisibilityRule{{viewer, user, sees}}, domain.UserList{})
		if err != nil {
			if strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 4000 {
				t.Errorf("the error is %q", err)
			}
			return
		}
		upper, err := domain.NewVisibility([]domain.VisibilityRule{{viewer, user, sees}, {"*", "*", "nothing"}}, domain.UserList{})
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []domain.Principal{person("anna@example.test"), service("crm@example.test"), static("pbx"), {}} {
			for _, of := range []domain.UserID{"anna@example.test", "bea@example.test", "x@[2001:db8::1]"} {
				got := v.Sight(&by, of, memberships)
				if !slices.Contains([]string{"nothing", sees}, got.String()) && by.User != of {
					t.Errorf("%s %s %s: %s sees %s of %s", viewer, user, sees, by.User, got, of)
				}
				if other := upper.Sight(&by, of, memberships); other != got {
					t.Errorf("with a rule that says nothing of the others %s instead of %s", other, got)
				}
			}
		}
	})
}
