package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/domain"
)

// presences returns the presences that the daemon has to derive from an activity, by the domain's rules.
func presences(t *testing.T, p person, a *activity) domain.Presences {
	parse := func(name string) domain.Status {
		status, err := domain.ParseStatus(name)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	var devices domain.Devices
	for i, name := range p.devices {
		shows := a.shows(i)
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
	status, message := devices.Merge()
	return append(all, domain.Presence{Protocol: domain.MustProtocol("xmpp"), Status: status, Message: message})
}

// TestOpening: after the first steps every status is on the board, and every protocol has decided somebody's.
func TestOpening(t *testing.T) {
	s, steps := newScenario(1), 0
	for ; len(s.opening) > 0; steps++ {
		s.next()
	}
	elapsed := time.Duration(steps) * pause
	statuses, protocols := map[domain.Status]bool{}, map[string]bool{}
	for _, p := range people {
		a := s.doing[p.name]
		unified := domain.Precedence{{Protocol: manual.Protocol, Any: true}}.Unify(presences(t, p, a))
		statuses[unified.Status], protocols[unified.By.String()] = true, true
	}
	if len(statuses) != len(domain.Statuses()) || len(protocols) != 3 || elapsed > 13*time.Second { // the rest is for the servers
		t.Fatalf("after %v there are %v by %v", elapsed, statuses, protocols)
	}
}

// TestSteps follows some hundred steps: people only do what suits them, and every person and every activity has a turn.
func TestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		s, again := newScenario(seed), newScenario(seed)
		active, done := map[string]int{}, map[*activity]int{}
		for range 500 {
			n, m := s.next(), again.next()
			if n.person.name != m.person.name || n.activity != m.activity || n.abrupt != m.abrupt {
				t.Fatalf("the same seed made %v and %v", n, m)
			}
			if !n.activity.suits(n.person) {
				t.Fatalf("%s cannot do %q", n.person.name, n.activity.name)
			}
			active[n.person.name]++
			done[n.activity]++
		}
		if len(active) != len(people) || len(done) != len(activities) {
			t.Fatalf("%d of %d people did %d of %d things", len(active), len(people), len(done), len(activities))
		}
	})
}
