package xmpp

import (
	"reflect"
	"strings"
	"testing"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
)

// A stanza that waits for the roster must not take more memory than what counts of it.
func TestOnlyWhatCountsOfAPresenceIsKept(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	s, _ := lone(t, nil)
	s.keepEarly(&xmpp.Presence{From: "alice@example.test/x", To: huge, ID: huge, Type: "unavailable", Show: huge, Status: huge, Priority: huge, Error: huge})
	s.says(t, "bob@remote.test/x", "", "dnd", "")
	s.says(t, "alice@remote.test/"+huge, "", "dnd", "")
	s.says(t, huge+"@remote.test/x", "", "dnd", "")
	want := []xmpp.Presence{{From: "alice@example.test/x", Type: "unavailable", Status: huge[:domain.MaxMessage]}, {From: "bob@remote.test/x", Show: "dnd"}}
	if !reflect.DeepEqual(s.early, want) {
		t.Errorf("%d presences are kept: %.1000v", len(s.early), s.early)
	}
}

// White space around a show does not count.
func TestShowWithSpaces(t *testing.T) {
	s, r := lone(t, nil)
	s.says(t, "alice@example.test/x", "", " away\n", "")
	if got := r.show("alice@example.test"); got != "away" {
		t.Errorf("alice is %q", got)
	}
	s.says(t, "early@remote.test/x", "", "\tdnd ", "")
	s.gets("early@remote.test", "both")
	if err := s.roster(&xmpp.IQ{Type: "result", Query: []byte(`<query xmlns="jabber:iq:roster"/>`)}); err != nil {
		t.Fatal(err)
	}
	if got := r.show("early@remote.test"); got != "busy" {
		t.Errorf("the contact is %q", got)
	}
}
