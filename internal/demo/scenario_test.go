package main

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/domain"
)

// presences returns the presences that the daemon has to derive from an activity, by the domain's rules.
func presences(t *testing.T, a *activity) domain.Presences {
	parse := func(name string) domain.Status {
		status, err := domain.ParseStatus(name)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	var devices domain.Devices
	for name, shows := range map[string]presence{"desk": a.desk, "mobile": a.mobile} {
		if shows.Status == "" {
			continue
		}
		show := strings.TrimPrefix(shows.Status, "online")
		status, _ := domain.XMPPShow.Status(show)
		devices.Set(domain.Device{Name: name, Status: status, Message: shows.Message}, 32)
	}
	var all domain.Presences
	if a.manual.Status != "" {
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("manual"), Status: parse(a.manual.Status), Message: a.manual.Message})
	}
	if a.meeting.Status != "" {
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("spreed"), Status: parse(a.meeting.Status), Message: a.meeting.Message})
	}
	if a.calls {
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("asterisk"), Status: domain.Busy})
	}
	if a.calendar.Title != "" {
		status := domain.Busy
		if a.calendar.Absent {
			status = domain.Away
		}
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("calendar"), Status: status, Message: a.calendar.Title})
	}
	shown, _ := devices.Merge()
	return append(all, domain.Presence{Protocol: domain.MustProtocol("xmpp"), Status: shown.Status, Message: shown.Message})
}

// TestOpening: after the first steps every status is on the board, and every protocol has decided somebody's.
func TestOpening(t *testing.T) {
	doing, steps := map[string]*activity{}, 11
	for n := range steps {
		doing[stepAt(n).person] = stepAt(n).activity
	}
	statuses, protocols := map[domain.Status]bool{}, map[string]bool{}
	for _, p := range people {
		unified := domain.Precedence{
			{Protocol: manual.Protocol, Status: domain.Busy}, {Protocol: domain.MustProtocol("asterisk"), Status: domain.Busy},
			{Protocol: manual.Protocol, Any: true}, {Protocol: domain.MustProtocol("calendar"), Status: domain.Away},
		}.Unify(presences(t, cmp.Or(doing[p], home)))
		statuses[unified.Status], protocols[unified.By.String()] = true, true
	}
	elapsed := time.Duration(steps) * pause
	if len(statuses) != len(domain.Statuses()) || len(protocols) != 5 || elapsed > 13*time.Second { // the rest is for the servers
		t.Fatalf("after %v there are %v by %v", elapsed, statuses, protocols)
	}
}

// TestSteps follows some hundred steps: nobody goes on with the same or is twice in a row, and everybody has done everything in the end.
func TestSteps(t *testing.T) {
	doing, last, done := map[string]*activity{}, "", map[string]bool{}
	for n := range 500 {
		s := stepAt(n)
		if s.before != cmp.Or(doing[s.person], home) || s.activity == s.before || s.person == last {
			t.Fatalf("step %d: after %s, %s goes on from %q to %q", n, last, s.person, s.before.name, s.activity.name)
		}
		doing[s.person], last = s.activity, s.person
		done[s.person+fmt.Sprintf("%p", s.activity)] = true
	}
	if len(done) != len(people)*len(activities) {
		t.Fatalf("%d people did %d things in all, of %d", len(people), len(done), len(activities))
	}
}
