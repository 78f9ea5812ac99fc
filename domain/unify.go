package domain

// Unified is the one answer over all of a user's protocols.
type Unified struct {
	Status  Status
	Message string    // of the presence that decided
	By      Protocol  // the protocol that decided; empty if no protocol knows the user
	Reason  Reason    // why that one
	Since   Timestamp // when the deciding presence last changed
	Stale   bool      // the deciding presence is stale
}

// Reason says why one of a user's presences stands for all of them.
type Reason uint8

// The reasons, in the order in which they count.
const (
	NobodyKnows Reason = iota // there is no presence
	OnlyOne                   // there is no other
	SetByHand                 // it is what the person has set
	Strongest                 // its status takes precedence
	Latest                    // among those with the same status it changed last
	FirstByName               // and these changed at the same moment
)

var reasonNames = [...]string{NobodyKnows: "unknown", OnlyOne: "only", SetByHand: "manual", Strongest: "strongest", Latest: "latest", FirstByName: "first"}

// String returns the reason in one word.
func (r Reason) String() string { return reasonNames[r] }

// Unify makes one answer of a user's presences, which must be as they are now (Presences.At). What the person has set by hand wins over
// everything else. Else the strongest status does: busy, then available, then away, then unavailable. Among equals it is the one that
// changed last, then the first by name.
func Unify(ps Presences) Unified {
	if len(ps) == 0 {
		return Unified{}
	}
	best, reason := &ps[0], OnlyOne
	for i := 1; i < len(ps); i++ {
		better, why := ps[i].outranks(best)
		if better {
			best = &ps[i]
			reason = why
		} else {
			reason = max(reason, why)
		}
	}
	if len(ps) > 1 && best.Protocol == Manual {
		reason = SetByHand
	}
	return Unified{Status: best.Status, Message: best.Message, By: best.Protocol, Reason: reason, Since: best.Since, Stale: best.Stale}
}

// outranks reports whether p, which comes after q by its protocol's name, stands for both, and which rule decided that.
func (p *Presence) outranks(q *Presence) (bool, Reason) {
	switch {
	case p.Protocol == Manual || q.Protocol == Manual:
		return p.Protocol == Manual, SetByHand
	case p.Status != q.Status:
		return p.Status > q.Status, Strongest
	case p.Since != q.Since:
		return p.Since > q.Since, Latest
	}
	return false, FirstByName
}
