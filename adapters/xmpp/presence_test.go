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
	got := kept(&xmpp.Presence{From: "alice@example.test/x", To: huge, ID: huge, Type: "unavailable", Show: huge, Status: huge, Priority: huge, Error: huge})
	want := xmpp.Presence{From: "alice@example.test/x", Type: "unavailable", Status: huge[:domain.MaxMessage]}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kept are %d bytes of From, %d of Show, %d of Status, and %+v", len(got.From), len(got.Show), len(got.Status), got)
	}
	s, _ := lone(t, nil)
	s.says(t, "alice@remote.test/"+huge, "", "dnd", "")
	s.says(t, huge+"@remote.test/x", "", "dnd", "")
	if got := kept(&xmpp.Presence{Show: "dnd"}); len(s.early) != 0 || got.Show != "dnd" {
		t.Errorf("%d JIDs that are too long are kept, and the show %q", len(s.early), got.Show)
	}
}
