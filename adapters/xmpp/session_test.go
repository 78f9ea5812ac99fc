package xmpp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

// serveThen answers what a client asks at first, then waits for proceed and sends text.
func serveThen(items, text string, proceed <-chan struct{}) func(s *stream) {
	return func(s *stream) {
		for range 4 { // roster, two presences or one, ping
			e, err := s.next()
			if err != nil {
				return
			}
			s.answer(e, items)
		}
		<-proceed
		_, _ = io.WriteString(s, text)
		hang(s.reader)
	}
}

// A user of the own host is online without being a contact. When its entry is removed from the roster, nothing would be told of
// it any more: it must not stay online for ever.
func TestRemovedWhileOnline(t *testing.T) {
	proceed := make(chan struct{})
	f := newFake(t, afterLogin(serveThen(
		"<item jid='end@example.test' subscription='both'/><item jid='alice@example.test' subscription='none' ask='subscribe'/>",
		"<presence from='alice@example.test/phone'><show>dnd</show></presence>"+
			"<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='alice@example.test' subscription='remove'/></query></iq>"+
			"<presence type='unavailable' from='alice@example.test/phone'/><presence from='end@example.test/x'/>", proceed)))
	close(proceed)
	r := begin(t, f.source(t, nil))
	r.want(t, "end@example.test", "available")
	if got := r.show("alice@example.test"); got != "unknown" {
		t.Errorf("alice has left and is no contact, but is %q", got)
	}
}

// A roster that cannot be read to its end makes nobody unknown, and ends Run unless the server says that there is none.
func TestRosterThatFails(t *testing.T) {
	const failure = "<iq type='error' id='roster'><error type='%s'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
	tests := []struct {
		name, answer string
		ends         bool
	}{
		{"wait", fmt.Sprintf(failure, "wait"), true},
		{"auth", fmt.Sprintf(failure, "auth"), true},
		{"cancel", fmt.Sprintf(failure, "cancel"), false},
		{"no query", "<iq type='result' id='roster'/>", true},
		{"other query", "<iq type='result' id='roster'><query xmlns='jabber:iq:last'/></iq>", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var again atomic.Bool
			f := newFake(t, afterLogin(func(s *stream) {
				good := !again.Swap(true)
				for {
					e, err := s.next()
					if err != nil {
						return
					}
					if !good && strings.Contains(e.Inner, "jabber:iq:roster") {
						_, _ = io.WriteString(s, test.answer+"<presence from='dave@example.test/x'><status>"+strings.Repeat("x", 3000)+"</status></presence>")
						continue
					}
					s.answer(e, "<item jid='carol@remote.test' subscription='both'/>")
				}
			}))
			source := f.source(t, nil)
			r := begin(t, source)
			r.wantSynced(t)
			r.stop(t)
			r = begin(t, source)
			if test.ends {
				if err := r.ends(t); !errors.Is(err, errRosterFailed) {
					t.Errorf("Run returned %v", err)
				}
			} else {
				r.wantSynced(t)
				r.stop(t)
			}
			if carol := source.contacts.byJID["carol@remote.test"]; len(r.forgotten) > 0 || !carol.wasVisible {
				t.Errorf("forgotten are %v, left to compare with is %+v", r.forgotten, carol)
			}
		})
	}
}
