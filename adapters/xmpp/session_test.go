package xmpp

import (
	"io"
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
