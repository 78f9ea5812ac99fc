package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxMessage is the longest message, in bytes.
const MaxMessage = 4096

// Revision numbers changes: it grows with every change of any presence, and never goes back. Zero is before the first.
type Revision uint64

// Presence is a user's status on one protocol. It is a value and comparable. Read its Status and Message only after At,
// which takes a passed expiry into account.
type Presence struct {
	Protocol Protocol
	Message  string    // free text; empty if there is none
	Since    Timestamp // when the status or the message last changed
	Updated  Timestamp // when it was last confirmed, by a change or a repetition
	Expires  Timestamp // the last moment at which it holds; zero: for ever
	Revision Revision  // of its last change; given by the store
	Status   Status
	Stale    bool // the link to the source is lost, so nobody can say whether it still holds
	Gone     bool // the protocol no longer knows the user: only watchers see this, as the last word on it
}

// ExpiryPolicy says how long a presence holds without being repeated. The zero value means for ever.
type ExpiryPolicy struct {
	After time.Duration
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

// At returns p as it is at the given moment: itself, or unavailable with an empty message once it has expired. What a person has set
// is Gone then: it says nothing any more about whether that person can be reached.
func (p Presence) At(now Timestamp) Presence {
	switch {
	case !p.Expired(now):
		return p
	case p.Protocol == Manual:
		return p.Remove(p.Expires)
	}
	if p.Status != Unavailable || p.Message != "" {
		p.Since = p.Expires
	}
	p.Status, p.Message, p.Expires = Unavailable, "", 0
	return p
}

// Observe returns what becomes of p when status and message are reported at the given moment. A repetition renews Updated
// and Expires and keeps Since.
func (p Presence) Observe(status Status, message string, policy ExpiryPolicy, now Timestamp) Presence {
	next := p.At(now)
	if next.Status != status || next.Message != message || next.Since.IsZero() || next.Gone {
		next.Status, next.Message, next.Since = status, message, now
	}
	next.Updated, next.Expires = now, policy.Expires(now)
	if status == Unavailable && message == "" {
		next.Expires = 0 // it is already what expiry would make of it
	}
	next.Stale, next.Gone = false, false
	return next
}

// HoldUntil returns p with another last moment at which it holds. What expiry would not change holds for ever.
func (p Presence) HoldUntil(until Timestamp) Presence {
	if p.Protocol == Manual || p.Status != Unavailable || p.Message != "" {
		p.Expires = until
	}
	return p
}

// MarkStale returns p for the time after its source's link was lost: kept, flagged, and unavailable when more than keep has
// passed. What is stale already keeps its first deadline.
func (p Presence) MarkStale(keep time.Duration, now Timestamp) Presence {
	next := p.At(now)
	if next.Stale {
		return next
	}
	next.Stale = true
	if next.Status != Unavailable {
		next.Expires = now.Add(keep)
	}
	return next
}

// Remove returns the tombstone of p: the protocol no longer knows the user.
func (p Presence) Remove(now Timestamp) Presence {
	return Presence{Protocol: p.Protocol, Since: now, Updated: now, Gone: true, Revision: p.Revision}
}

// Differs reports whether q is a change from p, something that a watcher has to be told, and not just a renewal. A renewed
// expiry is none; that there is one now, or none any more, is, and so is any other time in what a person has set: "until three".
func (p Presence) Differs(q Presence) bool {
	return p.Status != q.Status || p.Message != q.Message || p.Since != q.Since || p.Stale != q.Stale || p.Gone != q.Gone ||
		p.Expires.IsZero() != q.Expires.IsZero() || p.Expires != q.Expires && q.Protocol == Manual
}

// Change is the news that a user's presence on one protocol is now another.
type Change struct {
	User     UserID
	Presence Presence
}

// Presences holds a user's presences, at most one a protocol, ordered by the protocol's name. It is shared and must not be
// changed in place: use With.
type Presences []Presence

// On returns the presence on one protocol, and whether there is one.
func (ps Presences) On(protocol Protocol) (Presence, bool) {
	for i := range ps {
		if ps[i].Protocol == protocol {
			return ps[i], true
		}
	}
	return Presence{Protocol: protocol}, false
}

// At returns ps as they are at the given moment. As long as nothing has expired that is ps itself, so nothing is allocated.
func (ps Presences) At(now Timestamp) Presences {
	if ps.Expired(now) {
		return ps.expire(now)
	}
	return ps
}

// Expired reports whether any of ps has expired, so that At would change it.
func (ps Presences) Expired(now Timestamp) bool {
	for i := range ps {
		if ps[i].Expired(now) {
			return true
		}
	}
	return false
}

func (ps Presences) expire(now Timestamp) Presences {
	next := make(Presences, 0, len(ps))
	for i := range ps {
		if p := ps[i].At(now); !p.Gone {
			next = append(next, p)
		}
	}
	return next
}

// With returns a copy of ps in which p takes the place of the presence on the same protocol; one that is Gone takes it away.
func (ps Presences) With(p Presence) Presences {
	at, found := slices.BinarySearchFunc(ps, p.Protocol, func(known Presence, protocol Protocol) int {
		return known.Protocol.Compare(protocol)
	})
	after := at
	if found {
		after++
	}
	if p.Gone {
		return slices.Concat(ps[:at], ps[after:])
	}
	next := make(Presences, at+1+len(ps)-after) // exactly what is needed: millions are kept
	copy(next, ps[:at])
	next[at] = p
	copy(next[at+1:], ps[after:])
	return next
}
