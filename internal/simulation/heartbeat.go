package main

// coalescing is the rule by which the node that a web-meeting client talks to, the keeper of its presence, journals a bound on the presence's
// expiry instead of each heartbeat. Times are in seconds.
type coalescing struct {
	window float64 // how much further than the expiry the bound is; zero: every heartbeat is journaled, as today
}

// session is a meeting of one user: a heartbeat at join, and then every heartbeatEvery until last.
type session struct{ join, last float64 }

// records is how many of a session's heartbeats are journaled, if all go to the same node.
func (c coalescing) records(s session) (journaled, all int) {
	bound := s.join - 1
	for at := s.join; at <= s.last; at += heartbeatEvery {
		all++
		if at+heartbeatTTL > bound {
			bound = at + heartbeatTTL + c.window
			journaled++
		}
	}
	return journaled, all
}

// end is when the presence ends for everybody: when its last heartbeat does not hold any more, for the keeper announces that then; if the
// keeper is killed before, at the bound, the only thing that the others know.
func (c coalescing) end(s session, killed float64) float64 {
	truth := s.last + heartbeatTTL
	if killed > truth {
		return truth
	}
	bound := s.join - 1
	for at := s.join; at <= s.last && at < killed; at += heartbeatEvery {
		if at+heartbeatTTL > bound {
			bound = at + heartbeatTTL + c.window
		}
	}
	return max(truth, bound)
}
