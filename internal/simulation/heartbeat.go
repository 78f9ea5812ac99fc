package main

// coalescing is the rule by which the node that a web-meeting client talks to, the keeper of its presence, journals a bound on the
// presence's expiry instead of each heartbeat. Times are in seconds.
type coalescing struct {
	window float64 // how much further than the expiry the bound is; zero: every heartbeat is journaled, as today
}

// session is a meeting of one user: a heartbeat at join, and then every heartbeatEvery until last.
type session struct{ join, last float64 }

// kept is what the keeper knows of a presence. The others know the bound only.
type kept struct{ last, bound float64 }

// heartbeat takes a heartbeat, and reports whether it has to be journaled: if the bound does not reach as far as the heartbeat holds.
func (c coalescing) heartbeat(k *kept, at float64) (journaled bool) {
	k.last = at
	if at+heartbeatTTL <= k.bound {
		return false
	}
	k.bound = at + heartbeatTTL + c.window
	return true
}

// each calls visit for each of a session's heartbeats but the first, and returns what the keeper knows in the end.
func (c coalescing) each(s session, visit func(at float64, journaled bool)) (k kept) {
	for at := s.join; at <= s.last; at += heartbeatEvery {
		if journaled := c.heartbeat(&k, at); at > s.join {
			visit(at, journaled)
		}
	}
	return k
}

// end is when the presence ends for everybody: when its last heartbeat does not hold any more, for the keeper announces that; if the
// keeper was killed before, at the bound.
func (k kept) end(killed float64) float64 {
	if truth := k.last + heartbeatTTL; killed > truth {
		return truth
	}
	return k.bound
}

// late kills the keeper of all at several moments of the day. It returns which part of those who are shown in a meeting then are shown too
// long, because they do not report to another node, and for how long on average.
func (c coalescing) late(sessions []session) (part, mean float64) {
	var shown, wrong int
	var excess float64
	for _, s := range sessions {
		k := c.each(s, func(float64, bool) {})
		for killed := meetingsFrom + 7*minute; killed < meetingsUntil; killed += 31 * minute {
			if killed < s.join || killed > s.last+heartbeatTTL {
				continue
			}
			shown++
			if by := k.end(killed) - (s.last + heartbeatTTL); killed >= s.last && by > 0 {
				wrong++
				excess += by
			}
		}
	}
	return float64(wrong) / float64(shown), excess / max(1, float64(wrong))
}
