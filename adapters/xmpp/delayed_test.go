package xmpp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// A server that is shut down says that everybody is unavailable, and then ends the connection: that says nothing of anybody. Whoever was
// unavailable before is.
func TestUnavailableAtTheEnd(t *testing.T) {
	proceed := make(chan struct{})
	f := newFake(t, afterLogin(func(s *stream) {
		for range 4 {
			e, _ := s.next()
			s.answer(e, "")
		}
		_, _ = io.WriteString(s, "<presence from='alice@example.test/x'/><presence from='bob@example.test/x'/><presence from='bob@example.test/y'/>"+
			"<presence type='unavailable' from='alice@example.test/x'/>")
		<-proceed
		_, _ = io.WriteString(s, "<presence type='unavailable' from='bob@example.test/x'/><presence type='unavailable' from='bob@example.test/y'/>"+
			"<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	}))
	r := begin(t, f.source(t, nil))
	r.want(t, "alice@example.test", "unavailable")
	close(proceed)
	if err := r.ends(t); !strings.Contains(err.Error(), "system-shutdown") {
		t.Errorf("Run returned %v", err)
	}
	if got := r.show("bob@example.test"); got != "available" {
		t.Errorf("bob is %q", got)
	}
}

// Nothing of the same user overtakes what is held, and only so many reports are held.
func TestDelayKeepsTheOrder(t *testing.T) {
	r := newRecording()
	d := newDelayed(r, time.Hour)
	defer d.drop()
	report := func(user, device string, status domain.Status) {
		d.Report(domain.Report{User: domain.UserID(user), Device: device, Status: status})
	}
	wants := func(user, want string) {
		t.Helper()
		if got := r.show(user); got != want {
			t.Errorf("%s is %q, want %q", user, got, want)
		}
	}
	report("a@x", "1", domain.Busy)
	report("b@x", "1", domain.Busy)
	report("a@x", "", domain.Unavailable)
	report("b@x", "2", domain.Available)
	wants("a@x", "busy") // nothing new of it
	report("a@x", "2", domain.Away)
	wants("a@x", "away")

	report("a@x", "2", domain.Unavailable)
	d.Synced()
	wants("a@x", "unavailable")
	report("b@x", "1", domain.Unavailable)
	d.Forget("c@x")
	wants("b@x", "available")
	report("b@x", "2", domain.Unavailable)
	d.Forget("b@x")
	d.pass()
	wants("b@x", "unknown")

	report("z@x", "1", domain.Busy)
	report("z@x", "1", domain.Unavailable)
	for i := range maxHeld {
		report(fmt.Sprintf("u%d@x", i), "1", domain.Unavailable)
	}
	wants("z@x", "unavailable")
	if n := len(d.held); n != 1 {
		t.Errorf("%d wait", n)
	}
}
