package domain_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

// byHandFirst is the precedence of a site that has configured none.
var (
	manual      = domain.MustProtocol("manual")
	byHandFirst = domain.Precedence{{Protocol: manual, Any: true}}
)

func TestUnify(t *testing.T) {
	tests := []struct {
		name string
		ps   domain.Presences
		want domain.Unified
	}{
		{"nobody knows the user", nil, domain.Unified{}},
		{"one protocol", domain.Presences{{Protocol: xmpp, Status: domain.Away, Message: "lunch", Since: 3, Stale: true}},
			domain.Unified{Status: domain.Away, Message: "lunch", By: xmpp, Reason: domain.OnlyOne, Since: 3, Stale: true}},
		{"busy wins over available", domain.Presences{{Protocol: spreed, Status: domain.Busy, Message: "meeting", Since: 1}, {Protocol: xmpp, Status: domain.Available, Since: 2}},
			domain.Unified{Status: domain.Busy, Message: "meeting", By: spreed, Reason: domain.Strongest, Since: 1}},
		{"available wins over away", domain.Presences{{Protocol: spreed, Status: domain.Away, Since: 2}, {Protocol: xmpp, Status: domain.Available, Since: 1}},
			domain.Unified{Status: domain.Available, By: xmpp, Reason: domain.Strongest, Since: 1}},
		{"away wins over unavailable", domain.Presences{{Protocol: spreed, Status: domain.Unavailable, Since: 9}, {Protocol: xmpp, Status: domain.Away, Since: 1}},
			domain.Unified{Status: domain.Away, By: xmpp, Reason: domain.Strongest, Since: 1}},
		{"among equals the latest", domain.Presences{{Protocol: spreed, Status: domain.Busy, Since: 1}, {Protocol: xmpp, Status: domain.Busy, Message: "phone", Since: 2}},
			domain.Unified{Status: domain.Busy, Message: "phone", By: xmpp, Reason: domain.Latest, Since: 2}},
		{"then the first by name", domain.Presences{{Protocol: spreed, Status: domain.Busy, Since: 1}, {Protocol: xmpp, Status: domain.Busy, Since: 1}},
			domain.Unified{Status: domain.Busy, By: spreed, Reason: domain.FirstByName, Since: 1}},
		{"what the person has set wins", domain.Presences{{Protocol: manual, Status: domain.Away, Message: "lunch", Since: 1}, {Protocol: xmpp, Status: domain.Busy, Since: 2}},
			domain.Unified{Status: domain.Away, Message: "lunch", By: manual, Reason: domain.Preferred, Rule: byHandFirst[0], Since: 1}},
		{"also from behind", domain.Presences{{Protocol: domain.MustProtocol("irc"), Status: domain.Busy, Since: 2}, {Protocol: manual, Since: 1}},
			domain.Unified{By: manual, Reason: domain.Preferred, Rule: byHandFirst[0], Since: 1}},
		{"nothing but what the person has set", domain.Presences{{Protocol: manual, Status: domain.Busy, Since: 1}},
			domain.Unified{Status: domain.Busy, By: manual, Reason: domain.OnlyOne, Since: 1}},
		{"the rule that tells it from the nearest", domain.Presences{{Protocol: domain.MustProtocol("irc"), Status: domain.Away, Since: 9}, {Protocol: spreed, Status: domain.Busy, Since: 1},
			{Protocol: xmpp, Status: domain.Busy, Since: 2}}, domain.Unified{Status: domain.Busy, By: xmpp, Reason: domain.Latest, Since: 2}},
	}
	for _, test := range tests {
		if got := byHandFirst.Unify(test.ps); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestPrecedence: an entry may name one status of a protocol, the first entry that matches decides, and strength among what none matches.
func TestPrecedence(t *testing.T) {
	calendar := domain.MustProtocol("calendar")
	list := domain.Precedence{{Protocol: manual, Status: domain.Busy}, {Protocol: calendar, Status: domain.Away}, {Protocol: manual, Any: true}}
	busy, away := domain.Presence{Protocol: manual, Status: domain.Busy}, domain.Presence{Protocol: manual, Status: domain.Away}
	holiday, meeting := domain.Presence{Protocol: calendar, Status: domain.Away}, domain.Presence{Protocol: calendar, Status: domain.Busy}
	online := domain.Presence{Protocol: xmpp, Status: domain.Available}
	tests := []struct {
		ps     domain.Presences
		by     domain.Protocol
		reason domain.Reason
		rule   string
	}{
		{domain.Presences{holiday, busy, online}, manual, domain.Preferred, "manual:busy"},
		{domain.Presences{holiday, away, online}, calendar, domain.Preferred, "calendar:away"},
		{domain.Presences{meeting, away, online}, manual, domain.Preferred, "manual"},
		{domain.Presences{meeting, online}, calendar, domain.Strongest, ""},
		{domain.Presences{holiday, online}, calendar, domain.Preferred, "calendar:away"},
	}
	for _, test := range tests {
		if got := list.Unify(test.ps); got.By != test.by || got.Reason != test.reason || got.Rule.String() != test.rule {
			t.Errorf("of %+v %v decided, because of %v %q; want %v, %v %q", test.ps, got.By, got.Reason, got.Rule, test.by, test.reason, test.rule)
		}
	}
	if got := (domain.Precedence{}).Unify(domain.Presences{away, online}); got.By != xmpp || got.Reason != domain.Strongest {
		t.Errorf("without a list %+v", got)
	}
}

// TestUnifyProperties: the answer is one of the presences, none is stronger, and another user's protocols do not matter.
func TestUnifyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ps domain.Presences
		for range rapid.IntRange(1, 6).Draw(t, "protocols") {
			ps = ps.With(anyPresence.Draw(t, "presence"))
		}
		got := byHandFirst.Unify(ps)
		by, known := ps.On(got.By)
		if !known || by.Status != got.Status || by.Message != got.Message || by.Since != got.Since {
			t.Fatalf("%+v is not what %s says: %+v", got, got.By, by)
		}
		for _, p := range ps {
			if p.Status > got.Status {
				t.Fatalf("%s says %v, the answer is %v", p.Protocol, p.Status, got.Status)
			}
		}
	})
}

// TestDevicesProperties holds Devices against a plain history of what each device said last.
func TestDevicesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var devices domain.Devices
		var history []domain.Device // what each device said last, the newest at the end
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			device := domain.Device{
				Name:    rapid.SampledFrom([]string{"phone", "laptop", "desk", "tablet"}).Draw(t, "name"),
				Status:  anyStatus.Draw(t, "status"),
				Message: anyMessage.Draw(t, "message"),
			}
			devices.Set(device, 32)
			history = said(history, device)
			if got, there := devices.Get(device.Name); there != (device.Status != domain.Unavailable) || there && got != device {
				t.Fatalf("after %v: %v, %v", device, got, there)
			}
			count, bytes := devices.Size()
			for _, other := range history {
				if other.Status != domain.Unavailable {
					count, bytes = count-1, bytes-len(other.Name)-len(other.Message)
				}
			}
			if count != 0 || bytes != 0 {
				t.Fatalf("after %v: the size is wrong by %d devices, %d bytes", history, count, bytes)
			}
			wantStatus, wantMessage := strongest(history)
			if got, _ := devices.Merge(); got.Status != wantStatus || got.Message != wantMessage {
				t.Fatalf("after %v: %+v, want %v %q", history, got, wantStatus, wantMessage)
			}
		}
	})
}

func said(history []domain.Device, device domain.Device) []domain.Device {
	var next []domain.Device
	for _, old := range history {
		if old == device {
			return history // a repetition changes nothing
		}
		if old.Name != device.Name {
			next = append(next, old)
		}
	}
	return append(next, device)
}

func strongest(history []domain.Device) (domain.Status, string) {
	for _, status := range []domain.Status{domain.Busy, domain.Available, domain.Away} {
		for i := len(history) - 1; i >= 0; i-- {
			if history[i].Status == status {
				return status, history[i].Message
			}
		}
	}
	return domain.Unavailable, ""
}

func TestDevicesAreBounded(t *testing.T) {
	const most = 32
	var devices domain.Devices
	for i := range 10 * most {
		devices.Set(domain.Device{Name: fmt.Sprint(i), Status: domain.Away, Message: fmt.Sprint(i)}, most)
	}
	devices.Set(domain.Device{Name: "unheard of", Status: domain.Unavailable}, most) // makes no room
	kept := 0
	for i := 10*most - 1; !devices.None(); i-- {
		if got, _ := devices.Merge(); got.Message != fmt.Sprint(i) {
			t.Fatalf("the newest device's message is %q, want that of device %d", got.Message, i)
		}
		devices.Set(domain.Device{Name: fmt.Sprint(i), Status: domain.Unavailable}, most)
		kept++
	}
	if devices, bytes := devices.Size(); devices != 0 || bytes != 0 {
		t.Errorf("no device is left, but the size is %d, %d", devices, bytes)
	}
	if kept != most {
		t.Errorf("%d devices are kept, want the newest %d", kept, most)
	}
	for _, name := range []string{"a/1", "a/2", "ab", "a/1"} {
		devices.Set(domain.Device{Name: name, Status: domain.Busy, Message: name}, most)
	}
	devices.Remove("a/", true)
	devices.Remove("a", false)
	if count, _ := devices.Size(); count != 1 {
		t.Errorf("%d devices are left, want ab alone", count)
	}
	if _, there := devices.Get("ab"); !there {
		t.Error("ab is gone")
	}
	devices.Remove("", true)
	if got, _ := devices.Merge(); got != (domain.Shown{}) || !devices.None() {
		t.Errorf("cleared devices are %+v", got)
	}
}
