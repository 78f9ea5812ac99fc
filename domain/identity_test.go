package domain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

var asterisk = domain.MustProtocol("asterisk")

func TestIdentities(t *testing.T) {
	alice := domain.Identity{User: "Alice@example.test", DisplayName: "Alice", Names: map[string][]string{"asterisk": {"4711@default", "1234@default"}, "irc": {"Ali"}}}
	patterns := []domain.Identity{
		{User: "u{number}@example.test", DisplayName: "A telephone", Names: map[string][]string{"asterisk": {"1{number}@default"}}},
		{User: "{name}@sales.example.test", DisplayName: "Somebody of Sales", Groups: []string{"sales"}}, // a pattern without names
		{User: "{name}@example.test", Names: map[string][]string{"asterisk": {"SIP-{name}@default"}}},
		{User: "{name}.{number}@example.test", Names: map[string][]string{"asterisk": {"{number}-{name}@{"}}},
	}
	identities, err := domain.NewIdentities(append([]domain.Identity{alice}, patterns...))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]domain.UserID{
		"4711@default": "alice@example.test", "4711@DEFAULT": "alice@example.test",
		"1234@default": "alice@example.test", // before the pattern
		"199@default":  "u99@example.test", "1@default": "", "1x@default": "", "199@default ": "",
		"sip-Bob@default": "bob@example.test", "sip-a b@default": "", "sip-a/b@default": "", "sip-a@b@default": "",
		"7-zoë@{":            "zoë.7@example.test",
		"ALICE@example.test": "alice@example.test", "markd@sales.example.test": "markd@sales.example.test", "markd@zarafa.com": "", // ids
	} {
		if user, found := identities.User(asterisk, name); user != want || found != (want != "") {
			t.Errorf("%q is %q, %v; want %q", name, user, found, want)
		}
	}
	if _, found := identities.User(domain.MustProtocol("irc"), "4711@default"); found {
		t.Error("a name counts on another protocol")
	}
	if names := identities.Names(asterisk); len(names) != 2 || names[0] != (domain.Name{Text: "1234@default", User: "alice@example.test"}) {
		t.Errorf("the names are %v", names)
	}
	for user, want := range map[domain.UserID]string{"alice@example.test": "Alice", "u42@example.test": "A telephone", "zoë@sales.example.test": "Somebody of Sales", "bob@example.test": ""} {
		if record := identities.Of(user); record == nil || record.DisplayName != want || identities.DisplayName(user) != want {
			t.Errorf("%s is %+v, want %q", user, record, want)
		}
	}
	if record := identities.Of("zoë@elsewhere.test"); record != nil {
		t.Errorf("a stranger is %+v", record)
	}
	if user, found := (*domain.Identities)(nil).User(asterisk, "4711@default"); found || (*domain.Identities)(nil).Of("a@b") != nil || (*domain.Identities)(nil).Names(asterisk) != nil {
		t.Errorf("an empty table knows %s", user)
	}
}

// Every fault is named with its entry, and nothing is taken from a table with one.
func TestFaultyIdentities(t *testing.T) {
	named := func(user string, names ...string) domain.Identity {
		return domain.Identity{User: user, Names: map[string][]string{"asterisk": names}}
	}
	const entry1 = `entry 1 (a@b): invalid identity: `
	tests := []struct {
		records []domain.Identity
		want    string
	}{
		{[]domain.Identity{named("alice")}, `entry 1 (alice): invalid identity: invalid user "alice": it has no @`},
		{[]domain.Identity{named("a@b"), named("A@B")}, `entry 2 (A@B): invalid identity: the user is there twice`},
		{[]domain.Identity{named("a@b", "1"), named("b@b", "1")}, `entry 2 (b@b): invalid identity: asterisk "1": it is a name of a@b already`},
		{[]domain.Identity{named("u{number}@b", "1{number}"), named("v{number}@b", "1{number}")}, `entry 2 (v{number}@b): invalid identity: asterisk "1{number}": it is a name of u{number}@b already`},
		{[]domain.Identity{named("U{number}@b", "1{number}"), named("u{number}@b", "2{number}")}, `entry 2 (u{number}@b): invalid identity: the user is there twice`},
		{[]domain.Identity{named("a@b", " ")}, `asterisk " ": it is empty`},
		{[]domain.Identity{{User: "a@b", Names: map[string][]string{"SIP": {"1"}}}}, `invalid protocol name "SIP"`},
		{[]domain.Identity{named("a@b", "1{number}")}, "it has a placeholder that the user has not"},
		{[]domain.Identity{named("{number}@b", "1")}, "it must have the same placeholders as the user"},
		{[]domain.Identity{named("{number}@b", "{name}")}, "it must have the same placeholders as the user"},
		{[]domain.Identity{named("{number}{number}@b", "{number}{number}")}, "{number} is there twice"},
		{[]domain.Identity{named("{id}@b", "{id}")}, `"{id}" is no placeholder: there are {number} and {name}`},
		{[]domain.Identity{named("alice"), named("bob")}, "\n"},
		{
			[]domain.Identity{{User: "a@b", Names: map[string][]string{"d": {""}, "c": {""}, "b": {""}, "a": {""}}}},
			"a \"\": it is empty\n" + entry1 + "b \"\": it is empty\n" + entry1 + "c \"\": it is empty\n" + entry1 + "d",
		},
	}
	for _, test := range tests {
		identities, err := domain.NewIdentities(test.records)
		if got := faults(t, err); !errors.Is(err, domain.ErrInvalidIdentity) || !strings.Contains(got, test.want) || identities != nil {
			t.Errorf("NewIdentities(%v) = %s, want %s", test.records, got, test.want)
		}
	}
}

// faults lists what an error of NewIdentities says, a line for each fault.
func faults(t *testing.T, err error) string {
	t.Helper()
	all, _ := errors.AsType[domain.IdentityFaults](err)
	var lines []string
	for _, fault := range all {
		lines = append(lines, fmt.Sprintf("entry %d (%s): %v", fault.Index+1, fault.User, fault.Err))
		if !errors.Is(fault.Err, domain.ErrInvalidIdentity) || !strings.Contains(err.Error(), fault.Err.Error()) {
			t.Errorf("%v is not in the error %v", fault.Err, err)
		}
	}
	return strings.Join(lines, "\n")
}

func FuzzIdentities(f *testing.F) {
	f.Add("u{number}@example.test", "1{number}@default", "199@default")
	f.Add("{name}@b", "{name}", "alice")
	f.Fuzz(func(t *testing.T, user, name, given string) {
		identities, err := domain.NewIdentities([]domain.Identity{{User: user, Names: map[string][]string{"asterisk": {name}}}})
		if err != nil {
			return
		}
		if found, known := identities.User(asterisk, given); known {
			if parsed, err := domain.ParseUserID(string(found)); err != nil || parsed != found {
				t.Errorf("%q is %q, which is no id", given, found)
			}
		}
		for _, listed := range identities.Names(asterisk) {
			if found, known := identities.User(asterisk, listed.Text); !known || found != listed.User {
				t.Errorf("%q is listed as %s and found as %q", listed.Text, listed.User, found)
			}
		}
	})
}

// Two tables have the same display names, whatever else is in them, or they have not.
func TestSameDisplayNames(t *testing.T) {
	table := func(records ...domain.Identity) *domain.Identities {
		identities, err := domain.NewIdentities(records)
		if err != nil {
			t.Fatal(err)
		}
		return identities
	}
	alice, bob := domain.Identity{User: "alice@example.test", DisplayName: "Alice"}, domain.Identity{User: "bob@example.test", Groups: []string{"sales"}}
	everybody, someone := domain.Identity{User: "{name}@example.test", DisplayName: "Somebody"}, domain.Identity{User: "a{name}@example.test", DisplayName: "Someone"}
	renamed := alice
	renamed.DisplayName, bob.Names = "Ali", map[string][]string{"irc": {"bob"}}
	for _, test := range []struct {
		one, other *domain.Identities
		same       bool
	}{
		{nil, table(bob), true},
		{nil, table(alice), false},
		{table(alice), table(alice), true},
		{table(alice), table(renamed), false},
		{table(alice), table(), false},
		{table(everybody, someone), table(everybody, someone), true},
		{table(everybody, someone), table(someone, everybody), false},
		{table(alice), table(alice, everybody), false},
		{table(everybody), table(everybody, bob), false}, // bob was somebody, and has no name now
	} {
		if got := test.one.SameDisplayNames(test.other); got != test.same || test.other.SameDisplayNames(test.one) != got {
			t.Errorf("%+v and %+v have the same names: %v", test.one, test.other, got)
		}
	}
	if name := table(bob).DisplayName("bob@example.test") + (*domain.Identities)(nil).DisplayName("bob@example.test"); name != "" {
		t.Errorf("bob is %q", name)
	}
}
