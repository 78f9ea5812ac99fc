package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

func groupsOf(user domain.UserID) []string {
	return map[domain.UserID][]string{"carl@elsewhere.test": {"sales", "helpdesk"}}[user]
}

func TestUserList(t *testing.T) {
	l, err := domain.ParseUserList([]string{"Alice@Example.test", "*@bücher.test", "group:helpdesk"})
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[domain.UserID]bool{
		"alice@example.test": true, "bob@example.test": false, "bob@bücher.test": true, "bob@sub.bücher.test": false,
		"carl@elsewhere.test": true, "dora@elsewhere.test": false, "": false,
	} {
		if got := l.Has(user, groupsOf); got != want {
			t.Errorf("%q is in the list: %v", user, got)
		}
	}
	if l.Has("carl@elsewhere.test", nil) || new(domain.UserList).Has("alice@example.test", groupsOf) {
		t.Error("somebody is in a group of nobody, or in an empty list")
	}
	for _, entry := range []string{"alice", "*", "*@", "*@a@b", "group:", "group: ", ""} {
		if _, err := domain.ParseUserList([]string{"alice@example.test", entry}); !errors.Is(err, domain.ErrInvalidUser) || !strings.Contains(err.Error(), `"`+entry) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// A key may do what it lists, and nothing else.
func TestKey(t *testing.T) {
	users, err := domain.ParseUserList([]string{"*@example.test", "group:helpdesk"})
	if err != nil {
		t.Fatal(err)
	}
	phone, manual := domain.MustProtocol("phone"), domain.MustProtocol("manual")
	sets := domain.Principal{User: "key:pbx", Key: &domain.Key{Protocols: []domain.Protocol{phone}, Users: users, Groups: groupsOf}}
	reads := domain.Principal{User: "key:wall", Key: &domain.Key{Users: users, Groups: groupsOf, Read: true}}
	any := domain.Principal{User: "key:any", Any: true, Key: &domain.Key{}} // what is said of users does not count
	for _, test := range []struct {
		by       domain.Principal
		user     domain.UserID
		protocol domain.Protocol
		want     string // of the refusal
	}{
		{sets, "alice@example.test", phone, ""},
		{sets, "carl@elsewhere.test", phone, ""},
		{sets, "dora@elsewhere.test", phone, "key:pbx may not update dora@elsewhere.test"},
		{sets, "alice@example.test", manual, "key:pbx may not set manual"},
		{reads, "alice@example.test", phone, "key:wall may not set phone"},
		{any, "alice@example.test", phone, "key:any may not set phone"},
	} {
		err := test.by.MayUpdate(test.user, test.protocol)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, domain.ErrForbidden) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s sets %s of %s: %v", test.by.User, test.protocol, test.user, err)
		}
	}
	ids := []string{"alice@example.test", "no id", "dora@elsewhere.test", "carl@elsewhere.test", "eve@elsewhere.test"}
	var problems domain.Problems
	if err := reads.MayRead(ids); !errors.As(err, &problems) || !errors.Is(err, domain.ErrForbidden) ||
		!slices.EqualFunc(problems, []int{2, 4}, func(p domain.Problem, i int) bool { return p.Index == i && p.Field == domain.FieldUser }) {
		t.Errorf("it asks about others: %v", err)
	}
	if err := errors.Join(reads.MayRead(ids[:1]), reads.MayRead(nil), domain.Principal{User: "markd@zarafa.com"}.MayRead(ids)); err != nil {
		t.Error(err)
	}
	if err := sets.MayRead(nil); !errors.Is(err, domain.ErrForbidden) {
		t.Errorf("it asks although it may not: %v", err)
	}
	if err := reads.MayWatchAll(); !errors.Is(err, domain.ErrForbidden) || !reads.Machine() {
		t.Errorf("it asks about everybody: %v", err)
	}
}
