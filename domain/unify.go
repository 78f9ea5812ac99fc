package domain

// Unified is the one answer over all of a user's protocols.
type Unified struct {
	Status  Status
	Message string    // of the presence that decided
	By      Protocol  // the protocol that decided; empty if no protocol knows the user
	Since   Timestamp // when the deciding presence last changed
	Stale   bool      // the deciding presence is stale
}

// Unify makes one answer of a user's presences, which must be as they are now (Presences.At). The strongest status wins: busy,
// then available, then away, then unavailable. Among equals it is the one that changed last, then the first by name.
func Unify(ps Presences) Unified {
	var best *Presence
	for i := range ps {
		p := &ps[i]
		if best == nil || p.Status > best.Status || p.Status == best.Status && p.Since > best.Since {
			best = p
		}
	}
	if best == nil {
		return Unified{}
	}
	return Unified{Status: best.Status, Message: best.Message, By: best.Protocol, Since: best.Since, Stale: best.Stale}
}
