package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

const start domain.Timestamp = 1_000_000

var (
	xmpp   = domain.MustProtocol("xmpp")
	spreed = domain.MustProtocol("spreed")
	none   = domain.MustProtocol("none")
	a, b   = domain.MustProtocol("a"), domain.MustProtocol("b")
	c, d   = domain.MustProtocol("c"), domain.MustProtocol("d")
)

func TestExpiryIsStrict(t *testing.T) {
	policy := domain.ExpiryPolicy{After: 2 * time.Minute}
	p := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Busy, Message: "presenting"}, policy, start)
	deadline := start.Add(2 * time.Minute)
	if got := p.At(deadline); got != p {
		t.Errorf("exactly after the configured time it is %+v, want it unchanged: it holds until more has passed", got)
	}
	want := p
	want.Status, want.Message, want.Since, want.Expires = domain.Unavailable, "", deadline, 0
	if got := p.At(deadline + 1); got != want {
		t.Errorf("a moment later it is %+v, want %+v", got, want)
	}
}

func TestRepetitionRenewsAndIsNoChange(t *testing.T) {
	policy := domain.ExpiryPolicy{After: time.Minute}
	p := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Available, Message: "here"}, policy, start)
	later := start.Add(30 * time.Second)
	renewed := p.Observe(domain.Shown{Status: domain.Available, Message: "here"}, policy, later)
	if p.Differs(renewed) || renewed.Since != start || renewed.Updated != later || renewed.Expires != later.Add(time.Minute) {
		t.Errorf("a repetition makes %+v of %+v", renewed, p)
	}
	if sooner := renewed.Observe(domain.Shown{Status: domain.Available, Message: "here"}, domain.ExpiryPolicy{After: time.Second}, later); !renewed.Differs(sooner) {
		t.Errorf("%+v and %+v count as the same, though the second ends sooner", renewed, sooner)
	}
	changed := p.Observe(domain.Shown{Status: domain.Available, Message: "still here"}, policy, later)
	if !p.Differs(changed) || changed.Since != later {
		t.Errorf("another message makes %+v of %+v", changed, p)
	}
}

func TestRepetitionAfterExpiryIsAChange(t *testing.T) {
	policy := domain.ExpiryPolicy{After: time.Minute}
	p := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Available, Message: "here"}, policy, start)
	later := start.Add(time.Hour)
	if back := p.Observe(domain.Shown{Status: domain.Available, Message: "here"}, policy, later); back.Since != later || back.Status != domain.Available {
		t.Errorf("coming back after an hour makes %+v", back)
	}
}

func TestStale(t *testing.T) {
	p := domain.Presence{Protocol: xmpp}.Observe(domain.Shown{Status: domain.Busy, Message: "phone"}, domain.ExpiryPolicy{}, start)
	stale := p.MarkStale(domain.ExpiryPolicy{After: time.Minute}, start+10)
	if !stale.Stale || stale.Status != domain.Busy || stale.Message != "phone" || !p.Differs(stale) {
		t.Errorf("right after the link was lost: %+v", stale)
	}
	if again := stale.MarkStale(domain.ExpiryPolicy{After: time.Minute}, start+20); again != stale {
		t.Errorf("marking twice moves the deadline: %+v", again)
	}
	if gone := stale.At(stale.Expires + 1); gone.Status != domain.Unavailable || !gone.Stale {
		t.Errorf("after the grace: %+v, want unavailable and still stale", gone)
	}
	back := stale.Observe(domain.Shown{Status: domain.Busy, Message: "phone"}, domain.ExpiryPolicy{}, start+30)
	if back.Stale || back.Expires != 0 || back.Since != start || !stale.Differs(back) {
		t.Errorf("confirmed by the source: %+v", back)
	}
	offline := domain.Presence{Protocol: xmpp}.Observe(domain.Shown{Status: domain.Unavailable}, domain.ExpiryPolicy{}, start).MarkStale(domain.ExpiryPolicy{After: time.Minute}, start)
	if !offline.Stale || offline.Expires != 0 {
		t.Errorf("who is unavailable need not expire: %+v", offline)
	}
}

func TestKeepStale(t *testing.T) {
	minute := domain.ExpiryPolicy{After: time.Minute}
	fresh := domain.Presence{Protocol: xmpp}.Observe(domain.Shown{Status: domain.Busy, Message: "phone"}, domain.ExpiryPolicy{}, start)
	stale := fresh.MarkStale(minute, start)
	if kept := stale.KeepStale(minute, start+10); kept.Expires != minute.Expires(start+10) || stale.Differs(kept) || !kept.Stale {
		t.Errorf("%+v is kept as %+v", stale, kept)
	}
	offline := domain.Presence{Protocol: xmpp}.Observe(domain.Shown{Status: domain.Unavailable}, domain.ExpiryPolicy{}, start).MarkStale(minute, start)
	for name, test := range map[string]struct {
		p   domain.Presence
		now domain.Timestamp
	}{"not stale": {fresh, start + 10}, "expired": {stale, stale.Expires + 1}, "without an end": {offline, start + 10}, "earlier": {stale, start - 10}} {
		if kept := test.p.KeepStale(minute, test.now); kept != test.p {
			t.Errorf("%s: %+v becomes %+v", name, test.p, kept)
		}
	}
}

func TestUnavailableDoesNotExpire(t *testing.T) {
	policy := domain.ExpiryPolicy{After: time.Minute}
	if p := (domain.Presence{Protocol: spreed}).Observe(domain.Shown{Status: domain.Unavailable}, policy, start); p.Expires != 0 {
		t.Errorf("%+v would be announced twice", p)
	}
	if p := (domain.Presence{Protocol: spreed}).Observe(domain.Shown{Status: domain.Unavailable, Message: "gone home"}, policy, start); p.Expires != start.Add(time.Minute) {
		t.Errorf("%+v keeps its message", p)
	}
}

func TestComingBackAfterAnUnnoticedExpiryIsAChange(t *testing.T) {
	policy := domain.ExpiryPolicy{After: time.Minute}
	p := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Busy}, policy, start)
	if back := p.Observe(domain.Shown{Status: domain.Busy}, policy, start.Add(time.Hour)); !p.Differs(back) {
		t.Errorf("%+v and %+v count as the same, though the user was away between", p, back)
	}
}

func TestRemove(t *testing.T) {
	p := domain.Presence{Protocol: xmpp, Revision: 7}.Observe(domain.Shown{Status: domain.Busy, Message: "phone"}, domain.ExpiryPolicy{}, start)
	want := domain.Presence{Protocol: xmpp, Revision: 7, Since: start + 1, Updated: start + 1, Removed: true}
	if got := p.Remove(start + 1); got != want || !p.Differs(got) {
		t.Errorf("Remove = %+v, want %+v", got, want)
	}
}

func TestMessages(t *testing.T) {
	longest := strings.Repeat("x", domain.MaxMessage)
	for _, message := range []string{"", "feeling chatty..", "☕\n\x00", longest} {
		if err := domain.CheckMessage(message); err != nil {
			t.Errorf("%.20q: %v", message, err)
		}
		if got := domain.ClipMessage(message); got != message {
			t.Errorf("%.20q is clipped", message)
		}
	}
	for _, message := range []string{longest + "x", "\xff", "a\xc3", strings.Repeat("☕", domain.MaxMessage/3+1), longest + "\xff"} {
		if err := domain.CheckMessage(message); !errors.Is(err, domain.ErrInvalidMessage) {
			t.Errorf("%.20q: %v, want ErrInvalidMessage", message, err)
		}
		clipped := domain.ClipMessage(message)
		if err := domain.CheckMessage(clipped); err != nil || clipped == "" || !utf8.ValidString(clipped) {
			t.Errorf("%.20q is clipped to %.20q: %v", message, clipped, err)
		}
	}
}

func TestParseProtocol(t *testing.T) {
	for _, name := range []string{"xmpp", "spreed", "irc", "x", "ms-teams2"} {
		if got, err := domain.ParseProtocol(name); got.String() != name || err != nil {
			t.Errorf("ParseProtocol(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "XMPP", "2x", "-x", "a b", "user_id", "é", strings.Repeat("x", 33)} {
		if _, err := domain.ParseProtocol(name); !errors.Is(err, domain.ErrInvalidProtocol) {
			t.Errorf("ParseProtocol(%q) = %v, want ErrInvalidProtocol", name, err)
		}
	}
}

func TestTimestamps(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	if got := domain.TimestampOf(now).Time(); !got.Equal(now) || got.Location() != time.UTC {
		t.Errorf("%v comes back as %v", now, got)
	}
	if got := domain.Timestamp(1).Add(1<<63 - 1); got != 1<<63-1 {
		t.Errorf("a moment beyond the last is %d", got)
	}
	if !domain.Timestamp(0).IsZero() || !domain.Timestamp(0).Time().IsZero() || domain.Timestamp(1).IsZero() {
		t.Error("only the zero timestamp is none")
	}
}

var anyPresence = rapid.Custom(func(t *rapid.T) domain.Presence {
	p := domain.Presence{Protocol: rapid.SampledFrom([]domain.Protocol{a, b, c, d}).Draw(t, "protocol")}
	policy := domain.ExpiryPolicy{After: time.Duration(rapid.IntRange(0, 50).Draw(t, "expiry"))}
	return p.Observe(domain.Shown{Status: anyStatus.Draw(t, "status"), Message: anyMessage.Draw(t, "message")}, policy, anyMoment.Draw(t, "at"))
})

// TestExpiryProperties: time only ever takes a presence from what it is to unavailable, once, and looking does not change what
// a later look finds.
func TestExpiryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPresence.Draw(t, "presence")
		early := max(p.Updated, anyMoment.Draw(t, "early"))
		late := early + anyMoment.Draw(t, "later")
		if p.At(early).At(late) != p.At(late) {
			t.Fatalf("looking at %d changes what is seen at %d: %+v, %+v", early, late, p.At(early).At(late), p.At(late))
		}
		seen := p.At(late)
		if seen != p && (seen.Status != domain.Unavailable || seen.Message != "" || late <= p.Expires) {
			t.Fatalf("%+v becomes %+v at %d", p, seen, late)
		}
		if seen.Expired(late) {
			t.Fatalf("%+v is still to expire at %d", seen, late)
		}
		next := p.Observe(domain.Shown{Status: p.Status, Message: p.Message}, domain.ExpiryPolicy{After: 10}, late)
		expires := late + 10
		if p.Status == domain.Unavailable && p.Message == "" {
			expires = 0
		}
		if next.Status != p.Status || next.Message != p.Message || next.Updated != late || next.Expires != expires || next.Since > late {
			t.Fatalf("%+v is confirmed at %d as %+v", p, late, next)
		}
	})
}

// TestPresencesProperties holds Presences against a map: one presence a protocol, in order, and the old value untouched.
func TestPresencesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ps domain.Presences
		model := map[domain.Protocol]domain.Presence{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			p := anyPresence.Draw(t, "presence")
			if rapid.Bool().Draw(t, "remove") {
				p = p.Remove(5)
				delete(model, p.Protocol)
			} else {
				model[p.Protocol] = p
			}
			before := slices.Clone(ps)
			next := ps.With(p)
			if !slices.Equal(before, ps) {
				t.Fatalf("With changed what it was called on: %v", ps)
			}
			ps = next
			if len(ps) != len(model) || cap(ps) > len(ps)+1 {
				t.Fatalf("%d presences (room for %d), want %d", len(ps), cap(ps), len(model))
			}
			for protocol, want := range model {
				if got, known := ps.On(protocol); got != want || !known {
					t.Fatalf("on %s: %+v, %v; want %+v", protocol, got, known, want)
				}
			}
			if !slices.IsSortedFunc(ps, func(a, b domain.Presence) int { return a.Protocol.Compare(b.Protocol) }) {
				t.Fatalf("not in order: %v", ps)
			}
		}
		now := anyMoment.Draw(t, "now")
		seen := ps.At(now)
		for i := range ps {
			if seen[i] != ps[i].At(now) {
				t.Fatalf("Presences.At differs from Presence.At: %+v", seen[i])
			}
		}
		if got, known := ps.On(none); known || got != (domain.Presence{Protocol: none}) {
			t.Fatalf("on an unknown protocol: %+v, %v", got, known)
		}
	})
}

func TestPresencesAtDoesNotAllocateUnlessSomethingExpired(t *testing.T) {
	ps := domain.Presences{{Protocol: a, Status: domain.Busy, Expires: start}, {Protocol: b, Status: domain.Away}}
	if got := testing.AllocsPerRun(100, func() { ps.At(start) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
	if got := ps.At(start + 1); got[0].Status != domain.Unavailable || ps[0].Status != domain.Busy {
		t.Errorf("expired: %+v of %+v", got, ps)
	}
}

// TestWhatVanishes: after its end it is as if it had never been set, and an end that was asked for is part of what it says.
func TestWhatVanishes(t *testing.T) {
	none := domain.Presence{Protocol: manual}
	policy := domain.ExpiryPolicy{Vanishes: true}
	set := none.Observe(domain.Shown{Status: domain.Unavailable}, policy, 10).HoldUntil(20)
	set.Revision = 7
	if got := set.At(20); got != set {
		t.Errorf("at its last moment it is %+v, want %+v", got, set)
	}
	if got := set.At(21); !got.Removed || got.Revision != 7 || got.Since != 20 {
		t.Errorf("after its end it is %+v, want it gone since then", got)
	}
	other := domain.Presence{Protocol: domain.MustProtocol("xmpp"), Status: domain.Away}
	if got := (domain.Presences{set, other}).At(21); len(got) != 1 || got[0] != other {
		t.Errorf("after its end there is %+v, want only the other", got)
	}
	if !set.Differs(set.HoldUntil(30)) {
		t.Error("another end is no change")
	}
	if again := set.Observe(domain.Shown{Status: domain.Unavailable}, policy, 25); again.Removed || again.Since != 25 || again.Expires != 0 || again.Fixed {
		t.Errorf("set again it is %+v, want it there since then, for ever", again)
	}
}

// TestStaleVanishes: if a source says nothing of absent users, nothing is left when its link was lost for too long.
func TestStaleVanishes(t *testing.T) {
	source := domain.Source{StaleAfter: 10, Absent: domain.AbsentNothing}
	p := domain.Presence{Protocol: a}.Observe(domain.Shown{Status: domain.Busy, Message: "in a meeting"}, domain.ExpiryPolicy{}, start).MarkStale(source.StalePolicy(), start)
	if got := p.At(start + 10); got.Status != domain.Busy || !got.Stale {
		t.Errorf("before the end: %+v", got)
	}
	if got := p.At(start + 11); !got.Removed {
		t.Errorf("after the end: %+v, want nothing", got)
	}
}

// TestDevicesOfAClientProtocol: each has its own end, the strongest status wins, and the newest device that has it gives the message.
func TestDevicesOfAClientProtocol(t *testing.T) {
	policy := domain.ExpiryPolicy{After: 100}
	on := func(name string, status domain.Status, message string, at domain.Timestamp) domain.Presence {
		device, err := domain.ParseDeviceID(name)
		if err != nil {
			t.Fatal(err)
		}
		p := domain.Presence{Protocol: spreed, Device: device}.Observe(domain.Shown{Status: status, Message: message}, policy, at)
		p.Revision = domain.Revision(at)
		return p
	}
	ps := domain.Presences{}.With(on("desk", domain.Available, "at the desk", start)).With(on("laptop", domain.Busy, "presenting", start+50)).
		With(on("phone", domain.Busy, "calling", start+60)).With(domain.Presence{Protocol: xmpp, Status: domain.Away})
	want := func(now domain.Timestamp, status domain.Status, message string) {
		t.Helper()
		got := ps.At(now)
		p, known := got.On(spreed)
		if len(got) != 2 || !known || p.Status != status || p.Message != message || p.Updated != start+60 || p.Revision != domain.Revision(start+60) {
			t.Errorf("after %d: %+v, want %v %q", now-start, got, status, message)
		}
	}
	want(start+70, domain.Busy, "calling")
	ps = ps.With(on("phone", domain.Unavailable, "", start+60))
	want(start+100, domain.Busy, "presenting")
	ps = ps.With(on("laptop", domain.Busy, "presenting", start))
	want(start+101, domain.Unavailable, "")
	desk, _ := domain.ParseDeviceID("desk")
	if p, known := ps.Of(spreed, desk); !known || p.Message != "at the desk" {
		t.Errorf("the desk says %+v", p)
	}
}

func TestParseDeviceID(t *testing.T) {
	for _, name := range []string{"", "Firefox on the desk", "7f3a", strings.Repeat("x", domain.MaxDeviceID)} {
		if got, err := domain.ParseDeviceID(name); got.String() != name || err != nil {
			t.Errorf("ParseDeviceID(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"a\nb", "\xff", strings.Repeat("x", domain.MaxDeviceID+1)} {
		if _, err := domain.ParseDeviceID(name); !errors.Is(err, domain.ErrInvalidDevice) {
			t.Errorf("ParseDeviceID(%q) = %v, want ErrInvalidDevice", name, err)
		}
	}
}
