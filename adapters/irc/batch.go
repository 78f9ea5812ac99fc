package irc

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	mostLines    = 4   // of a batch, besides the PING: RFC 1459, 8.10, lets a client send five lines at once
	mostNames    = 5   // that one USERHOST may have
	longestNicks = 400 // bytes of a list of nicks, so that the line has less than 512
)

// batch is what is asked at once: a few lines and a PING. When its PONG comes the server has answered them all, or will not.
type batch struct {
	token    string // of the PING
	lines    []string
	monitor  []*person
	userhost []*person
	whois    []*person
}

// pending reports whether there is something to ask.
func (s *session) pending() bool {
	return len(s.leaving) > 0 || slices.ContainsFunc(s.people, func(p *person) bool { return p.wantUserhost || p.wantWhois })
}

// ask sends a batch: what has to be asked, or a mere PING.
func (s *session) ask(now time.Time) error {
	s.batches++
	b := &batch{token: "batch" + strconv.Itoa(s.batches)}
	s.addMonitor(b)
	free := mostLines - len(b.lines)
	reserved := min(len(s.pick(new(int), free, wantsWhois)), (free+1)/2)
	b.userhost = s.pick(&s.userhostTurn, (free-reserved)*mostNames, wantsUserhost)
	for some := range slices.Chunk(b.userhost, mostNames) {
		b.lines = append(b.lines, "USERHOST "+strings.Join(nicks(some), " "))
	}
	b.whois = s.pick(&s.whoisTurn, mostLines-len(b.lines), wantsWhois)
	for _, p := range b.whois {
		b.lines = append(b.lines, "WHOIS "+p.nick)
	}
	for _, p := range slices.Concat(b.monitor, b.userhost, b.whois) {
		p.answer = answer{}
	}
	for _, p := range b.userhost {
		p.wantUserhost = false
	}
	for _, p := range b.whois {
		p.wantWhois = false
	}
	b.lines = append(b.lines, "PING :"+b.token)
	s.batch, s.sent, s.notBefore = b, now, now.Add(time.Duration(len(b.lines))*s.source.limits.pace)
	return s.conn.send(b.lines...)
}

// addMonitor adds the nicks to a batch that the server is to monitor, or to stop monitoring. There may be more than it can monitor.
func (s *session) addMonitor(b *batch) {
	if s.server.monitor == 0 {
		s.leaving = nil
		return
	}
	for len(s.leaving) > 0 && len(b.lines) < mostLines {
		list, rest := nickList(s.leaving)
		b.lines, s.leaving = append(b.lines, "MONITOR - "+list), rest
	}
	if s.full || len(s.leaving) > 0 {
		return
	}
	var further []*person
	room := s.server.monitor
	for _, p := range s.people {
		if p.monitored {
			room--
		} else {
			further = append(further, p)
		}
	}
	further = further[:max(0, min(room, len(further)))]
	for names := nicks(further); len(names) > 0 && len(b.lines) < mostLines; {
		list, rest := nickList(names)
		b.lines, names = append(b.lines, "MONITOR + "+list), rest
		b.monitor = further[:len(further)-len(rest)]
	}
	for _, p := range b.monitor {
		p.monitored, p.wantUserhost = true, false
	}
}

// pick chooses people: first those who are not settled, then the others, beginning where the last turn has ended.
func (s *session) pick(turn *int, most int, wants func(*person) bool) (picked []*person) {
	for _, settled := range []bool{false, true} {
		begin := *turn
		for i := range s.people {
			at := (begin + i) % len(s.people)
			if len(picked) == most {
				return picked
			}
			if p := s.people[at]; p.settled == settled && wants(p) {
				picked = append(picked, p)
				*turn = at + 1
			}
		}
	}
	return picked
}

func wantsUserhost(p *person) bool { return p.wantUserhost }
func wantsWhois(p *person) bool    { return p.wantWhois }

func nicks(people []*person) (names []string) {
	for _, p := range people {
		names = append(names, p.nick)
	}
	return names
}

// nickList makes one list of as many nicks as fit into a line, and returns the rest.
func nickList(names []string) (list string, rest []string) {
	n, size := 0, 0
	for n < len(names) && size+len(names[n]) < longestNicks {
		size += len(names[n]) + 1
		n++
	}
	return strings.Join(names[:n], ","), names[n:]
}
