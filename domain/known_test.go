package domain_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

const (
	nora               = domain.UserID("nora@example.test")
	noon               = domain.Timestamp(1_764_000_000_000_000_000)
	second, knownSteps = domain.Timestamp(time.Second), 40
)

var (
	byHand = domain.MustProtocol("manual")
	chat   = domain.MustProtocol("xmpp")
	web    = domain.MustProtocol("spreed")

	// sights are all sights, each after the one that shows less.
	sights = []domain.Sight{domain.SeesNothing, domain.SeesStatus, domain.SeesAll, domain.SeesInvisible}
)

// history writes presences of one user as the image does.
type history struct {
	known      domain.Known
	precedence domain.Precedence
	revision   domain.Revision
	now        domain.Timestamp
	moment     domain.Timestamp // at which it was last written, by what was written
}

// write replaces what a device says, and reports whether that was a change.
func (h *history) write(p domain.Presence) (changed bool) {
	old, there := h.known.Presences.Of(p.Protocol, p.Device)
	if p.Removed && !there {
		return false
	}
	p.Revision = old.Revision
	if changed = !there || old.Differs(p); changed {
		h.revision += 10 // others' changes come in between
		p.Revision = h.revision
	}
	h.known, h.moment = h.known.With(p, changed, h.precedence), p.Updated
	return changed
}

// say has a device say something that holds for a while.
func (h *history) say(protocol domain.Protocol, device domain.DeviceID, shown domain.Shown, policy domain.ExpiryPolicy) {
	old, _ := h.known.Presences.Of(protocol, device)
	h.write(old.Observe(shown, policy, h.now))
}

// hide makes the user invisible.
func (h *history) hide(status domain.Status, until domain.Timestamp) {
	old, _ := h.known.Presences.Of(byHand, domain.DeviceID{})
	p := old.Observe(domain.Shown{Status: status}, domain.ExpiryPolicy{Vanishes: true}, h.now).HoldUntil(until)
	p.Invisible = true
	h.write(p)
}

func (h *history) remove(protocol domain.Protocol) {
	for _, p := range h.known.Presences {
		if p.Protocol == protocol {
			h.write(p.Remove(h.now))
		}
	}
}

// expire writes what has expired, as the expirer does.
func (h *history) expire() {
	for _, p := range h.known.Presences {
		if p.Expired(h.now) {
			h.write(p.At(h.now))
		}
	}
}

func (h *history) state(at domain.Timestamp) domain.State {
	return h.known.State(nora, h.precedence, at, at)
}

// seen returns what somebody is shown at a moment.
func (h *history) seen(sight domain.Sight, at domain.Timestamp) domain.State {
	state := h.state(at)
	state.DisplayName = "Nora"
	return state.Seen(sight)
}

// lasting is what somebody is shown at a moment, without what changes by a mere renewal. At zero nothing has ended yet.
func (h *history) lasting(sight domain.Sight, at domain.Timestamp) domain.State {
	state := h.seen(sight, at)
	state.Presences, state.Revision = append(domain.Presences(nil), state.Presences...), 0
	for i := range state.Presences {
		p := &state.Presences[i]
		p.Device, p.Updated, p.Revision = domain.DeviceID{}, 0, 0
		if !p.Fixed && !p.Expires.IsZero() {
			p.Expires = 1
		}
	}
	return state
}

// shownAlike reports whether somebody is shown the same of two histories at a moment. Who sees the status alone is shown, too, whether anybody knows the user.
func shownAlike(h, other *history, sight domain.Sight, at domain.Timestamp) bool {
	known := func(h *history) bool { return len(h.lasting(domain.SeesAll, at).Presences) > 0 }
	return reflect.DeepEqual(h.lasting(sight, at), other.lasting(sight, at)) && (sight != domain.SeesStatus || known(h) == known(other))
}

// step does something at random. It never makes the user invisible nor ends that.
func (h *history) step(t *rapid.T) {
	protocol := rapid.SampledFrom([]domain.Protocol{chat, web}).Draw(t, "protocol")
	device := domain.DeviceID{}
	if protocol == web {
		device = deviceNamed(rapid.SampledFrom([]string{"", "desk", "phone"}).Draw(t, "device"))
	}
	old, _ := h.known.Presences.Of(protocol, device)
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		h.remove(protocol)
	case 1:
		h.write(old.MarkStale(domain.ExpiryPolicy{After: time.Minute}, h.now))
	case 2:
		h.expire()
	default:
		status := rapid.SampledFrom([]domain.Status{domain.Unavailable, domain.Available, domain.Busy}).Draw(t, "status")
		message := rapid.SampledFrom([]string{"", "lunch"}).Draw(t, "message")
		after := rapid.SampledFrom([]time.Duration{0, 20 * time.Second}).Draw(t, "after")
		h.say(protocol, device, domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{After: after, Vanishes: rapid.Bool().Draw(t, "vanishes")})
	}
}

func deviceNamed(name string) domain.DeviceID {
	device, err := domain.ParseDeviceID(name)
	if err != nil {
		panic(err)
	}
	return device
}

// begin makes a history in which something has happened.
func begin(t *rapid.T) *history {
	h := &history{now: noon}
	h.precedence = rapid.SampledFrom([]domain.Precedence{
		nil, {{Protocol: byHand, Any: true}}, {{Protocol: chat, Status: domain.Available}, {Protocol: byHand, Any: true}},
	}).Draw(t, "precedence")
	for range rapid.IntRange(0, 10).Draw(t, "steps before") {
		h.step(t)
		h.pass(t)
	}
	return h
}

func (h *history) pass(t *rapid.T) {
	h.now += second * domain.Timestamp(rapid.IntRange(0, 15).Draw(t, "seconds"))
}

// TestInvisibleShowsNothing: while a user is invisible, what others are shown stays exactly as it was when that began, whatever happens: content,
// revision and all. It is what it would be if every protocol had reported unavailable then.
func TestInvisibleShowsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := begin(t)
		before, lasting := h.seen(domain.SeesAll, h.now), h.lasting(domain.SeesAll, 0)
		end := h.now + 600*second
		h.hide(rapid.SampledFrom(domain.Statuses()[:]).Draw(t, "own status"), end)
		first := map[domain.Sight]domain.State{}
		for _, sight := range sights[:domain.SeesInvisible] {
			first[sight] = h.seen(sight, h.now)
		}
		all := first[domain.SeesAll]
		if len(all.Presences) != len(before.Presences) || all.Unified.Status != domain.Unavailable || all.Unified.Message != "" || all.Unified.Stale || all.Invisible {
			t.Fatalf("others are shown %+v, before %+v", all, before)
		}
		for i, p := range all.Presences {
			was := before.Presences[i]
			same := was.Shown() == (domain.Shown{}) && was.Expires.IsZero() && !was.Stale
			if p.Protocol != was.Protocol || p.Shown() != (domain.Shown{}) || same != (p.Since == was.Since && p.Updated == was.Updated) && was.Since != h.now ||
				!same && (p.Since != h.now || p.Updated != h.now) || !p.Expires.IsZero() || p.Stale {
				t.Fatalf("others are shown %+v, it was %+v", p, was)
			}
		}
		if now := h.lasting(domain.SeesAll, 0); reflect.DeepEqual(now, lasting) != (all.Revision == before.Revision) {
			t.Fatalf("revision %d, before %d:\n%+v\n%+v", all.Revision, before.Revision, now, lasting)
		}
		if self := h.seen(domain.SeesInvisible, h.now); !self.Invisible || self.Revision != h.revision || len(self.Presences) == 0 {
			t.Fatalf("the user itself is shown %+v", self)
		}
		for range rapid.IntRange(1, knownSteps).Draw(t, "steps") {
			if h.pass(t); h.now > end {
				break
			}
			if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
				h.hide(rapid.SampledFrom(domain.Statuses()[:]).Draw(t, "another own status"), end+h.now-noon)
			} else {
				h.step(t)
			}
			for sight, want := range first {
				if got := h.seen(sight, h.now); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: it was\n%+v, and is\n%+v", sight, want, got)
				}
			}
		}
	})
}

// TestShownRevisions: the revision of each sight moves when a write changes what is shown to it, and only then.
func TestShownRevisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := begin(t)
		for range rapid.IntRange(1, knownSteps).Draw(t, "steps") {
			h.pass(t)
			old, before := *h, h.known.Revisions()
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				h.hide(rapid.SampledFrom(domain.Statuses()[:]).Draw(t, "own status"), h.now+20*second)
			case 1:
				h.remove(byHand)
			case 2:
				h.say(byHand, domain.DeviceID{}, domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true})
			default:
				h.step(t)
			}
			after := h.known.Revisions()
			if after.Status > after.All || after.All > after.Invisible || after.Invisible != h.revision && h.known.Revision != h.revision {
				t.Fatalf("%+v, the last is %d", after, h.revision)
			}
			if h.revision > old.revision+10 {
				continue // there were several writes
			}
			for _, sight := range sights[domain.SeesStatus:] {
				kept := shownAlike(&old, h, sight, 0)
				same := kept && shownAlike(&old, h, sight, h.now) && shownAlike(&old, h, sight, h.moment)
				moved := before.Of(sight) != after.Of(sight)
				switch {
				case !kept && !moved:
					t.Fatalf("%s: the revision stays %d:\n%+v\n%+v", sight, after.Of(sight), old.lasting(sight, 0), h.lasting(sight, 0))
				case same && moved && (sight == domain.SeesStatus || sight == domain.SeesAll && old.state(0).Invisible):
					t.Fatalf("%s: the revision goes from %d to %d for nothing:\n%+v", sight, before.Of(sight), after.Of(sight), h.lasting(sight, 0))
				}
			}
		}
	})
}

// TestInvisibleEnds: when it is over nobody is shown more than what is there, and what looks as before has the revision of before.
func TestInvisibleEnds(t *testing.T) {
	h := &history{now: noon}
	h.say(chat, domain.DeviceID{}, domain.Shown{}, domain.ExpiryPolicy{})
	before := h.seen(domain.SeesAll, h.now)
	h.hide(domain.Busy, h.now+60*second)
	h.now += 61 * second
	if lapsed := h.seen(domain.SeesAll, h.now); !reflect.DeepEqual(lapsed, before) {
		t.Errorf("before the end is written others are shown %+v, not %+v", lapsed, before)
	}
	h.expire()
	if after := h.seen(domain.SeesAll, h.now); !reflect.DeepEqual(after, before) || after.Revision == h.revision {
		t.Errorf("others are shown %+v, not %+v", after, before)
	}
	if self := h.seen(domain.SeesInvisible, h.now); self.Revision != h.revision || self.Invisible {
		t.Errorf("the user is shown %+v", self)
	}
	h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Away}, domain.ExpiryPolicy{})
	if after := h.seen(domain.SeesAll, h.now); after.Revision != h.revision || after.Unified.Status != domain.Away {
		t.Errorf("after the next change others are shown %+v", after)
	}
	h.hide(domain.Available, h.now+60*second)
	h.now += 10 * second
	h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{})
	if last, lapsed := h.seen(domain.SeesAll, h.now+50*second), h.seen(domain.SeesAll, h.now+50*second+1); last.Unified.Status != domain.Unavailable ||
		lapsed.Unified.Status != domain.Busy || lapsed.Revision != last.Revision {
		t.Errorf("at the last moment others are shown %+v, after it %+v", last, lapsed)
	}
	h.remove(byHand)
	if after := h.seen(domain.SeesAll, h.now); after.Revision != h.revision || after.Unified.Status != domain.Busy {
		t.Errorf("visible again, others are shown %+v", after)
	}
}

// Whoever was shown that something had ended, before that was written, is told that it is there again.
func TestRevivedBeforeItsEndIsWritten(t *testing.T) {
	h := history{now: noon}
	say := func() {
		h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{After: time.Second})
		h.hide(domain.Busy, h.now+second)
	}
	say()
	h.say(web, domain.DeviceID{}, domain.Shown{Status: domain.Away}, domain.ExpiryPolicy{})
	for range 3 {
		h.now += 2 * second
		between := h.state(h.now)
		say()
		after := h.state(h.now)
		for _, sight := range sights[1:] {
			was, is := between.Seen(sight), after.Seen(sight)
			if was.Unified.Status != is.Unified.Status && was.Revision == is.Revision {
				t.Errorf("%v: %v is %v, with the same revision %d", sight, was.Unified.Status, is.Unified.Status, is.Revision)
			}
		}
	}
}

// What happens after a user was invisible is told, though nobody has written yet that this is over.
func TestChangeBeforeTheEndIsWritten(t *testing.T) {
	h := history{now: noon}
	say := func(status domain.Status) {
		h.say(chat, domain.DeviceID{}, domain.Shown{Status: status}, domain.ExpiryPolicy{})
	}
	say(domain.Available)
	h.hide(domain.Busy, h.now+second)
	h.now += 2 * second
	for _, status := range []domain.Status{domain.Unavailable, domain.Away, domain.Unavailable} {
		before := h.known.Revisions()
		say(status)
		if after := h.known.Revisions(); after.Status != h.revision || after.All != h.revision {
			t.Errorf("%v: the revisions are %+v, before they were %+v", status, after, before)
		}
	}
	h.expire()
	if state := h.seen(domain.SeesStatus, h.now); state.Unified.Status != domain.Unavailable {
		t.Errorf("the status is %v", state.Unified.Status)
	}
}

// TestUnknownAndInvisible: an unknown user who becomes invisible stays unknown to others, and leaves no trace.
func TestUnknownAndInvisible(t *testing.T) {
	h := &history{now: noon}
	h.hide(domain.Busy, h.now+60*second)
	h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{})
	for _, sight := range []domain.Sight{domain.SeesStatus, domain.SeesAll} {
		if seen := h.seen(sight, h.now); seen.Revision != 0 || len(seen.Presences) > 0 || seen.Unified != (domain.Unified{}) {
			t.Errorf("%s: %+v", sight, seen)
		}
	}
	h.remove(chat)
	h.remove(byHand)
	for _, sight := range []domain.Sight{domain.SeesStatus, domain.SeesAll} {
		if seen := h.seen(sight, h.now); seen.Revision != 0 {
			t.Errorf("%s afterwards: %+v", sight, seen)
		}
	}
}

// TestSeenStatusIsTheStatusAlone: two states with the same status cannot be told apart by who sees no more than that.
func TestSeenStatusIsTheStatusAlone(t *testing.T) {
	h := &history{now: noon}
	h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Busy, Message: "in a meeting", Activity: 3, IdleSince: noon}, domain.ExpiryPolicy{After: time.Minute})
	first := h.seen(domain.SeesStatus, h.now)
	want := domain.State{User: nora, DisplayName: "Nora", Revision: 10, Unified: domain.Unified{Status: domain.Busy}, StatusOnly: true}
	if !reflect.DeepEqual(first, want) {
		t.Errorf("%+v, want %+v", first, want)
	}
	h.now += 5 * second
	h.say(web, domain.DeviceID{}, domain.Shown{Status: domain.Away}, domain.ExpiryPolicy{})
	h.say(chat, domain.DeviceID{}, domain.Shown{Status: domain.Busy, Message: "still"}, domain.ExpiryPolicy{})
	if second := h.seen(domain.SeesStatus, h.now); !reflect.DeepEqual(second, want) {
		t.Errorf("%+v, want %+v", second, want)
	}
	if nothing := h.seen(domain.SeesNothing, h.now); !reflect.DeepEqual(nothing, domain.State{User: nora}) {
		t.Errorf("nothing is %+v", nothing)
	}
}
