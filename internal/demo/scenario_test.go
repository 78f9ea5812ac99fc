package main

import (
	"slices"
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
	for name, shows := range a.devices(p) {
		show := shows.status
		if show == "online" {
			show = ""
		}
		status, _ := domain.XMPPShow.Status(show)
		devices.Set(domain.Device{Name: name, Status: status, Message: shows.message}, 32)
	}
	var all domain.Presences
	if a.manual.status != "" {
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("manual"), Status: parse(a.manual.status), Message: a.manual.message})
	}
	if a.meeting.status != "" {
		all = append(all, domain.Presence{Protocol: domain.MustProtocol("spreed"), Status: parse(a.meeting.status), Message: a.meeting.message})
	}
	status, message := devices.Merge()
	return append(all, domain.Presence{Protocol: domain.MustProtocol("xmpp"), Status: status, Message: message})
}

// TestOpening: after the first steps every status is on the board, and every protocol has decided somebody's.
func TestOpening(t *testing.T) {
	s := newScenario(1)
	for len(s.opening) > 0 {
		s.next()
	}
	statuses, protocols := map[domain.Status]bool{}, map[string]bool{}
	for _, p := range people {
		a := s.doing[p.name]
		if a == nil {
			a = home
		}
		unified := domain.Precedence{{Protocol: manual.Protocol, Any: true}}.Unify(presences(t, p, a))
		statuses[unified.Status], protocols[unified.By.String()] = true, true
	}
	if len(statuses) != len(domain.Statuses()) || len(protocols) != 3 || s.elapsed > 13*time.Second { // the rest is for the servers
		t.Fatalf("after %v there are %v by %v", s.elapsed, statuses, protocols)
	}
}

// TestDays follows some days: pauses stay short, people only do what suits them, and every person and every activity has a turn.
func TestDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		s, again := newScenario(seed), newScenario(seed)
		active, done := map[string]int{}, map[*activity]int{}
		for s.elapsed < 4*dayHours*hour {
			last := s.elapsed
			n, m := s.next(), again.next()
			if n.person.name != m.person.name || n.activity != m.activity || n.after != m.after || n.abrupt != m.abrupt {
				t.Fatalf("the same seed made %v and %v", n, m)
			}
			if pause := s.elapsed - last; pause < shortest || pause > 2*time.Second {
				t.Fatalf("%v between two steps", pause)
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

// TestParts: lunch is at noon, and people go home in the evening.
func TestParts(t *testing.T) {
	s := newScenario(1)
	for len(s.opening) > 0 {
		s.next()
	}
	var lunches, ends []int
	for s.elapsed < 20*dayHours*hour {
		part := s.part()
		switch n := s.next(); n.activity {
		case lunch:
			lunches = append(lunches, part)
		case home:
			ends = append(ends, part)
		}
	}
	if slices.ContainsFunc(lunches, func(part int) bool { return part != noon }) || len(lunches) < 20 {
		t.Errorf("lunches in the parts %v", lunches)
	}
	evenings := 0
	for _, part := range ends {
		if part == evening {
			evenings++
		}
	}
	if slices.Contains(ends, morning) || evenings < 2*len(ends)/3 {
		t.Errorf("people go home in the parts %v", ends)
	}
}
