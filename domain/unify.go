package domain

import (
	"slices"
	"strings"
)

// Unified is the one answer over all of a user's protocols.
type Unified struct {
	Status    Status
	Message   string     // of the presence that decided
	Activity  Activity   // the same
	IdleSince Timestamp  // the same
	By        Protocol   // the protocol that decided; empty if no protocol knows the user
	Reason    Reason     // why that one
	Rule      Preference // the entry of the precedence list that named it, if the reason is Preferred
	Since     Timestamp  // when the deciding presence last changed
	Stale     bool       // the deciding presence is stale
}

// Reason says why one of a user's presences stands for all of them.
type Reason uint8

// The reasons, in the order in which they count.
const (
	NobodyKnows Reason = iota // there is no presence
	OnlyOne                   // there is no other
	Preferred                 // an entry of the precedence list names it
	Strongest                 // its status takes precedence
	Latest                    // among those with the same status it changed last
	FirstByName               // and these changed at the same moment
)

var reasonNames = [...]string{NobodyKnows: "unknown", OnlyOne: "only", Preferred: "precedence", Strongest: "strongest", Latest: "latest", FirstByName: "first"}

// String returns the reason in one word.
func (r Reason) String() string { return reasonNames[r] }

// Precedence lists what decides before strength does, the first entry first.
type Precedence []Preference

// Preference is an entry of a Precedence: a protocol, or one status of a protocol.
type Preference struct {
	Protocol Protocol
	Status   Status // only what has this status counts, unless Any is set
	Any      bool   // the protocol counts with any status
}

// ParsePreference reads an entry as String writes it. A fault is an ErrInvalidProtocol or an ErrUnknownStatus.
func ParsePreference(text string) (Preference, error) {
	name, status, one := strings.Cut(text, ":")
	protocol, err := ParseProtocol(name)
	if err != nil {
		return Preference{}, err
	}
	if !one {
		return Preference{Protocol: protocol, Any: true}, nil
	}
	parsed, err := ParseStatus(status)
	return Preference{Protocol: protocol, Status: parsed}, err
}

// String returns the entry as a configuration has it, such as manual or asterisk:busy; empty for the zero value.
func (p Preference) String() string {
	if p.Any || p == (Preference{}) {
		return p.Protocol.String()
	}
	return p.Protocol.String() + ":" + p.Status.String()
}

// Includes reports whether everything that matches q matches p.
func (p Preference) Includes(q Preference) bool {
	return p.Protocol == q.Protocol && (p.Any || !q.Any && p.Status == q.Status)
}

// rank returns the place of the first entry that matches p, or the length of the list.
func (list Precedence) rank(p *Presence) int {
	for i, entry := range list {
		if entry.Protocol == p.Protocol && (entry.Any || entry.Status == p.Status) {
			return i
		}
	}
	return len(list)
}

// Unify makes one answer of a user's presences, which must be as they are now (Presences.At). The one that the precedence list names first
// decides. If it names none, the strongest status does: busy, then available, then away, then unavailable. Among equals it is the one
// that changed last, then the first by name.
func (list Precedence) Unify(ps Presences) Unified {
	if len(ps) == 0 {
		return Unified{}
	}
	best, reason := &ps[0], OnlyOne
	for i := 1; i < len(ps); i++ {
		better, why := list.outranks(&ps[i], best)
		if better {
			best = &ps[i]
			reason = why
		} else {
			reason = max(reason, why)
		}
	}
	unified := Unified{
		Status: best.Status, Message: best.Message, Activity: best.Activity, IdleSince: best.IdleSince, By: best.Protocol, Reason: reason, Since: best.Since, Stale: best.Stale,
	}
	if rank := list.rank(best); len(ps) > 1 && rank < len(list) {
		unified.Reason, unified.Rule = Preferred, list[rank]
	}
	return unified
}

// Next is what the one answer becomes when something ends whose end is known, such as a meeting. The zero value says that no end is known that
// changes it.
type Next struct {
	At     Timestamp // the last moment of what is now
	Status Status
	By     Protocol // the protocol that decides then; empty if none says anything any more
}

// Next returns what becomes of the answer over ps, which are what is kept of a user, by the ends that were asked for (Presence.Fixed): that a
// presence can be renewed, and is not, is nothing that anybody knows.
func (list Precedence) Next(ps Presences, now Timestamp) Next {
	end := ps.nextEnd(now)
	if end.IsZero() {
		return Next{}
	}
	current, later := list.Unify(ps.At(now)), slices.Clone(ps)
	for ; !end.IsZero(); end = ps.nextEnd(end + 1) {
		for i := range later {
			if later[i].Fixed && later[i].Expires <= end {
				later[i] = later[i].At(end + 1)
			}
		}
		later = slices.DeleteFunc(later, func(p Presence) bool { return p.Removed })
		then := list.Unify(later.At(now))
		if then.By != current.By || then.Status != current.Status || then.Activity != current.Activity || then.Message != current.Message {
			return Next{At: end, Status: then.Status, By: then.By}
		}
	}
	return Next{}
}

// nextEnd returns the first end that was asked for at a moment or later, or zero.
func (ps Presences) nextEnd(from Timestamp) (end Timestamp) {
	for i := range ps {
		if at := ps[i].Expires; ps[i].Fixed && at >= from && (end.IsZero() || at < end) {
			end = at
		}
	}
	return end
}

// outranks reports whether p, which comes after q by its protocol's name, stands for both, and which rule decided that.
func (list Precedence) outranks(p, q *Presence) (bool, Reason) {
	left, right := list.rank(p), list.rank(q)
	switch {
	case left != right:
		return left < right, Preferred
	case p.Status != q.Status:
		return p.Status > q.Status, Strongest
	case p.Since != q.Since:
		return p.Since > q.Since, Latest
	}
	return false, FirstByName
}
