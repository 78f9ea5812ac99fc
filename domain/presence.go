package domain

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxMessage is the longest message, in bytes.
const MaxMessage = 4096

// Revision numbers changes: it grows with every change of any presence, and never goes back. Zero is before the first.
type Revision uint64

// Shown is what somebody shows of a user at one moment.
type Shown struct {
	Status    Status
	Activity  Activity
	Message   string    // free text; empty if there is none
	IdleSince Timestamp // when the user was last active there; zero: the user is active, or nobody has said
}

// Presence is a user's status on one protocol, or what one of several devices there says. It is a value and comparable. Read its
// Status and Message only after At, which takes a passed expiry into account.
type Presence struct {
	Protocol  Protocol
	Device    DeviceID  // which of the user's devices says so; zero: the protocol tells devices apart itself, or not at all
	Message   string    // free text; empty if there is none
	Since     Timestamp // when the status, the message or the activity last changed
	Updated   Timestamp // when it was last confirmed, by a change or a repetition
	Expires   Timestamp // the last moment at which it holds; zero: for ever
	IdleSince Timestamp // when the user was last active there; zero: the user is active, or nobody has said
	Revision  Revision  // of its last change; given when it is written
	Status    Status
	Activity  Activity // what the user is doing
	Stale     bool     // the link to the source is lost, so nobody can say whether it still holds
	Fixed     bool     // Expires was asked for ("until three"), so it is a part of what the presence says
	Vanishes  bool     // its expiry leaves nothing, instead of unavailable
	Removed   bool     // the protocol no longer knows the user: only watchers see this, as the last word on it
	Invisible bool     // others are to be shown the user as if each protocol had reported unavailable (Known.Mask); ends with the presence
}

// ExpiryPolicy says how long a presence holds without being repeated, and what is left then. The zero value means for ever.
type ExpiryPolicy struct {
	After    time.Duration
	Vanishes bool // nothing is left, also of a presence that ends at a time of its own; else unavailable, with an empty message
}

// Expires returns the last moment at which a presence that was updated at the given moment still holds.
func (e ExpiryPolicy) Expires(updated Timestamp) Timestamp {
	if e.After <= 0 {
		return 0
	}
	return updated.Add(e.After)
}

// CheckMessage refuses a message that is too long or not valid UTF-8, with an ErrInvalidMessage.
func CheckMessage(message string) error {
	if len(message) > MaxMessage {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalidMessage, len(message), MaxMessage)
	}
	if !utf8.ValidString(message) {
		return fmt.Errorf("%w: it is not valid UTF-8", ErrInvalidMessage)
	}
	return nil
}

// CheckIdleSince refuses a moment that lies ahead, and not just because the clocks of two computers differ, with an ErrInvalidIdle.
func CheckIdleSince(since, now Timestamp) error {
	const clocksDiffer = 5 * time.Minute
	if since > now.Add(clocksDiffer) {
		return fmt.Errorf("%w: %s lies ahead", ErrInvalidIdle, since)
	}
	return nil
}

// ClipMessage makes a message that CheckMessage accepts of one that cannot be refused, because a server sent it: invalid UTF-8
// is replaced, and what is too long is cut at a character's end.
func ClipMessage(message string) string {
	if CheckMessage(message) == nil {
		return message
	}
	message = strings.ToValidUTF8(message, string(utf8.RuneError))
	if len(message) <= MaxMessage {
		return message
	}
	cut := MaxMessage
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return strings.Clone(message[:cut]) // so that the rest can be freed
}

// Expired reports whether p's time is up: more than the configured time has passed since its last update.
func (p Presence) Expired(now Timestamp) bool { return !p.Expires.IsZero() && now > p.Expires }

// At returns p as it is at the given moment: itself, or what its expiry leaves, which is unavailable with nothing else, or
// Removed.
func (p Presence) At(now Timestamp) Presence {
	switch {
	case !p.Expired(now):
		return p
	case p.Vanishes:
		return p.Remove(p.Expires)
	}
	if p.Shown() != (Shown{}) {
		p.Since = p.Expires
	}
	p.show(Shown{})
	p.Expires, p.Fixed, p.Invisible = 0, false, false
	return p
}

// Shown returns what p shows.
func (p Presence) Shown() Shown { return Shown{p.Status, p.Activity, p.Message, p.IdleSince} }

func (p *Presence) show(shown Shown) {
	p.Status, p.Activity, p.Message, p.IdleSince = shown.Status, shown.Activity, shown.Message, shown.IdleSince
}

// Observe returns what becomes of p when something is reported at the given moment. A repetition renews Updated
// and Expires and keeps Since.
func (p Presence) Observe(shown Shown, policy ExpiryPolicy, now Timestamp) Presence {
	next := p.At(now)
	if next.Shown() != shown || next.Since.IsZero() || next.Removed {
		next.show(shown)
		next.Since = now
	}
	next.Updated, next.Expires, next.Vanishes = now, policy.Expires(now), policy.Vanishes
	if next.endsAsItIs() {
		next.Expires = 0
	}
	next.Stale, next.Fixed, next.Removed, next.Invisible = false, false, false, false
	return next
}

// HoldUntil returns p with a last moment that was asked for. What expiry would not change holds for ever.
func (p Presence) HoldUntil(until Timestamp) Presence {
	if !p.endsAsItIs() {
		p.Expires, p.Fixed = until, true
	}
	return p
}

// Endless reports whether p holds until it is replaced or taken away. What expiry has left does not count: it says nothing.
func (p Presence) Endless() bool { return p.Expires.IsZero() && !p.endsAsItIs() && !p.Removed }

// endsAsItIs reports whether expiry would change nothing.
func (p Presence) endsAsItIs() bool { return p.Shown() == (Shown{}) && !p.Vanishes }

// Hold returns p for one more period from now, if its time ran out while nobody could repeat it because no daemon served. An end that was asked
// for stays, and so does that of what is stale.
func (p Presence) Hold(policy ExpiryPolicy, now Timestamp) Presence {
	if p.Expired(now) && !p.Fixed && !p.Stale && policy.After > 0 {
		p.Expires = policy.Expires(now)
	}
	return p
}

// SetBack returns p, which was written by a clock that was ahead by so much, as it is by a clock that shows now. An end that was asked for stays.
func (p Presence) SetBack(by time.Duration, now Timestamp) Presence {
	p.Updated = p.Updated.Add(-by)
	if p.Since > now {
		p.Since = p.Since.Add(-by)
	}
	if p.IdleSince > now {
		p.IdleSince = p.IdleSince.Add(-by)
	}
	if !p.Expires.IsZero() && !p.Fixed {
		p.Expires = p.Expires.Add(-by)
	}
	return p
}

// MarkStale returns p for the time after its source's link was lost: kept, flagged, and ended by the policy, unless it ends sooner anyway. What is
// stale already keeps its first deadline.
func (p Presence) MarkStale(policy ExpiryPolicy, now Timestamp) Presence {
	next := p.At(now)
	if next.Stale || next.Removed {
		return next
	}
	next.Stale, next.Vanishes = true, policy.Vanishes
	if end := policy.Expires(now); !next.endsAsItIs() && (next.Expires.IsZero() || end < next.Expires) {
		next.Expires, next.Fixed = end, false
	}
	return next
}

// KeepStale returns p with a new deadline if it is stale and has one that has not passed, and that nobody asked for.
func (p Presence) KeepStale(policy ExpiryPolicy, now Timestamp) Presence {
	if p.Stale && !p.Fixed && !p.Expires.IsZero() && !p.Expired(now) {
		p.Expires = max(p.Expires, policy.Expires(now))
	}
	return p
}

// Remove returns the last word on p: the protocol no longer knows the user, or the device.
func (p Presence) Remove(now Timestamp) Presence {
	return Presence{Protocol: p.Protocol, Device: p.Device, Since: now, Updated: now, Removed: true, Revision: p.Revision}
}

// Differs reports whether q is a change from p, something that a watcher has to be told, and not just a renewal. A renewed
// expiry is none, unless it comes sooner; that there is one now, or none any more, is, and so is another end that was asked for.
func (p Presence) Differs(q Presence) bool {
	return p.DiffersInStatus(q) || p.Message != q.Message || p.Activity != q.Activity || p.IdleSince != q.IdleSince || p.Since != q.Since ||
		p.Expires.IsZero() != q.Expires.IsZero() || q.Expires < p.Expires || p.Vanishes != q.Vanishes || p.Fixed != q.Fixed || q.Fixed && p.Expires != q.Expires ||
		p.Invisible != q.Invisible
}

// DiffersInStatus reports whether q is a change from p for somebody who may see the status and nothing else.
func (p Presence) DiffersInStatus(q Presence) bool {
	return p.Status != q.Status || p.Stale != q.Stale || p.Removed != q.Removed
}

// Change is the news that a user's presence on one protocol is now another.
type Change struct {
	User     UserID
	Presence Presence
}
