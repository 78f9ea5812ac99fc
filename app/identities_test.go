package app_test

import (
	"fmt"
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// Names that are nobody's are listed, up to a bound, until there is another table; and whoever waits for one is told.
func TestIdentities(t *testing.T) {
	phone := domain.MustProtocol("asterisk")
	tableOf := func(user, name string) *domain.Identities {
		t.Helper()
		table, err := domain.NewIdentities([]domain.Identity{{User: user, Names: map[string][]string{"asterisk": {name}}}})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	identities := app.NewIdentities(tableOf("markd@zarafa.com", "4711@default"))
	if user, known := identities.User(phone, "4711@default"); user != "markd@zarafa.com" || !known {
		t.Errorf("4711 is %q, %v", user, known)
	}
	for i := range 1200 {
		for range 2 {
			if user, known := identities.User(phone, fmt.Sprint(i)); known {
				t.Fatalf("%d is %s", i, user)
			}
		}
	}
	if names, others := identities.Unmapped(); len(names) != 1000 || names[0] != (domain.Unmapped{Protocol: phone, Name: "0", Times: 2}) || others != 400 {
		t.Errorf("%d names from %v on are nobody's, and there were %d others", len(names), names[:1], others)
	}
	changed := identities.Changed()
	select {
	case <-changed:
		t.Fatal("the table has changed")
	default:
	}
	identities.Replace(tableOf("alice@example.test", "4711@default"))
	<-changed
	if user, _ := identities.User(phone, "4711@default"); user != "alice@example.test" {
		t.Errorf("4711 is %q after the change", user)
	}
	if names, others := identities.Unmapped(); len(names) != 0 || others != 0 || len(identities.Names(phone)) != 1 {
		t.Errorf("after the change %v and %d others are nobody's", names, others)
	}
}

// The zone of a user is that of the user's record, also if that is a pattern.
func TestTimeZones(t *testing.T) {
	table, err := domain.NewIdentities([]domain.Identity{
		{User: "alice@example.test", TimeZone: "Europe/Berlin"}, {User: "u{number}@example.test", TimeZone: "Asia/Tokyo"}, {User: "bob@example.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	identities := app.NewIdentities(table)
	for user, want := range map[domain.UserID]string{
		"alice@example.test": "Europe/Berlin", "u7@example.test": "Asia/Tokyo", "bob@example.test": "", "markd@zarafa.com": "",
	} {
		if got := identities.TimeZone(user); got != want {
			t.Errorf("%s is in %q, want %q", user, got, want)
		}
	}
}
