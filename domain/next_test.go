package domain_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

var calendar = domain.MustProtocol("calendar")

// What comes next is what the answer becomes by an end that was asked for. What may be renewed has no such end.
func TestNext(t *testing.T) {
	meeting := domain.Presence{Protocol: calendar, Status: domain.Busy, Expires: 30, Fixed: true, Vanishes: true}
	online := domain.Presence{Protocol: xmpp, Status: domain.Available}
	beating := domain.Presence{Protocol: spreed, Status: domain.Available, Expires: 20}
	leave := domain.Presence{Protocol: manual, Status: domain.Away, Expires: 50, Fixed: true, Vanishes: true}
	desk, _ := domain.ParseDeviceID("desk")
	phone, _ := domain.ParseDeviceID("phone")
	talk := domain.Presence{Protocol: calendar, Device: desk, Status: domain.Busy, Expires: 30, Fixed: true, Vanishes: true}
	more := domain.Presence{Protocol: calendar, Device: phone, Status: domain.Busy, Expires: 60, Fixed: true, Vanishes: true}
	tests := []struct {
		name string
		ps   domain.Presences
		want domain.Next
	}{
		{"nobody knows the user", nil, domain.Next{}},
		{"nothing ends", domain.Presences{online}, domain.Next{}},
		{"what is renewed does not end", domain.Presences{beating}, domain.Next{}},
		{"then another protocol decides", domain.Presences{meeting, online}, domain.Next{At: 30, Status: domain.Available, By: xmpp}},
		{"also what may have ended before", domain.Presences{meeting, beating}, domain.Next{At: 30, Status: domain.Available, By: spreed}},
		{"then none does", domain.Presences{meeting}, domain.Next{At: 30}},
		{"the first end changes nothing", domain.Presences{meeting, leave, online}, domain.Next{At: 50, Status: domain.Available, By: xmpp}},
		{"another device goes on", domain.Presences{talk, more}, domain.Next{At: 60}},
		{"at its last moment", domain.Presences{{Protocol: calendar, Status: domain.Busy, Expires: 10, Fixed: true, Vanishes: true}}, domain.Next{At: 10}},
		{"it has passed", domain.Presences{{Protocol: calendar, Status: domain.Busy, Expires: 9, Fixed: true, Vanishes: true}}, domain.Next{}},
	}
	for _, test := range tests {
		if got := byHandFirst.Next(test.ps, 10); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// Up to what comes next nothing changes, and then it is as it was said, unless something ends that could have been renewed.
func TestNextComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ps domain.Presences
		for _, protocol := range []domain.Protocol{calendar, manual, spreed, xmpp} {
			if !rapid.Bool().Draw(t, protocol.String()) {
				continue
			}
			p := domain.Presence{Protocol: protocol, Status: anyStatus.Draw(t, "status"), Message: anyMessage.Draw(t, "message"), Since: 1}
			if p.Fixed = rapid.Bool().Draw(t, "ends"); p.Fixed {
				p.Expires, p.Vanishes = anyMoment.Draw(t, "end"), rapid.Bool().Draw(t, "vanishes")
			}
			ps = append(ps, p)
		}
		now := anyMoment.Draw(t, "now")
		next, is := byHandFirst.Next(ps, now), byHandFirst.Unify(ps.At(now))
		shown := func(u domain.Unified) domain.Unified { // what a change of is news
			return domain.Unified{Status: u.Status, Message: u.Message, Activity: u.Activity, By: u.By}
		}
		for at := now; at <= 1001; at++ {
			got := byHandFirst.Unify(ps.At(at))
			if changed := shown(got) != shown(is); changed != (!next.At.IsZero() && at > next.At) {
				if next.At.IsZero() || at <= next.At {
					t.Fatalf("at %d it is %+v, and was %+v; next is %+v", at, got, is, next)
				}
				return // it has changed back
			}
			if at == next.At+1 && !next.At.IsZero() && (got.Status != next.Status || got.By != next.By) {
				t.Fatalf("at %d it is %+v, next was %+v", at, got, next)
			}
		}
	})
}
