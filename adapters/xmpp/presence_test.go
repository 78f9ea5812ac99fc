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
	if got := kept(&xmpp.Presence{From: huge, Show: "dnd"}); got.From != "" || got.Show != "dnd" {
		t.Errorf("of a JID that is too long %d bytes are kept, and the show %q", len(got.From), got.Show)
	}
}
