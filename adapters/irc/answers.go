package irc

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ergochat/irc-go/ircfmt"
	"github.com/ergochat/irc-go/ircmsg"

	"github.com/zarafa/presence/domain"
)

// statuses maps the mark in the answer to USERHOST: + is here, - is away.
var statuses = domain.NewStatusMap(map[string]domain.Status{"+": domain.Available, "-": domain.Away}, domain.Available)

// take takes what the server says. What has not the parameters that it should have is ignored.
func (s *session) take(m ircmsg.Message) error {
	switch m.Command {
	case "PING":
		return s.conn.pong(m)
	case "PONG":
		if s.batch != nil && slices.Contains(m.Params, s.batch.token) {
			s.answered(time.Now())
		}
	case "ERROR":
		return s.source.ended(m)
	case "CAP":
		if strings.EqualFold(param(m, 1), "DEL") {
			s.server.enable(last(m), false)
		}
	case "NICK":
		if s.server.fold(m.Nick()) == s.server.fold(s.own) && param(m, 0) != "" {
			s.own = param(m, 0)
		}
	case "302": // the answer to USERHOST
		s.takeUserhost(last(m))
	case "301", "311", "330", "401": // of the answer to WHOIS: the text of who is away, who it is, the account; there is no such nick
		s.takeWhois(m)
	case "730", "731", "734": // of MONITOR: who has come, who has left, who cannot be monitored
		s.takeMonitor(m)
	case "AWAY", "ACCOUNT": // the server tells by itself
		s.takeNews(m)
	}
	return nil
}

// takeUserhost takes a list of nick=+host, or nick=-host for those who are away.
func (s *session) takeUserhost(list string) {
	for entry := range strings.FieldsSeq(list) {
		nick, host, _ := strings.Cut(entry, "=")
		status, known := statuses.Status(host[:min(1, len(host))])
		p := s.byNick[s.server.fold(strings.TrimSuffix(nick, "*"))] // the star marks an operator
		if known && p != nil {
			p.answer.here, p.answer.away, p.answer.host = true, status == domain.Away, host[1:]
		}
	}
}

func (s *session) takeWhois(m ircmsg.Message) {
	p := s.byNick[s.server.fold(param(m, 1))]
	if p == nil || len(m.Params) < 3 {
		return
	}
	switch m.Command {
	case "301":
		p.answer.away, p.answer.text = true, plain(last(m))
	case "311": // it comes first
		p.answer = answer{listed: p.answer.listed, here: p.answer.here, identified: true, host: p.answer.host}
	case "330":
		p.answer.account = param(m, 2)
	case "401":
		p.answer.missing = true
	}
}

func (s *session) takeMonitor(m ircmsg.Message) {
	list := last(m)
	if m.Command == "734" {
		list = param(m, 2)
	}
	for name := range strings.SplitSeq(list, ",") {
		nick, _, _ := strings.Cut(strings.TrimSpace(name), "!")
		p := s.byNick[s.server.fold(nick)]
		if p == nil || !p.monitored {
			continue
		}
		switch m.Command {
		case "730":
			p.answer.listed = true
			s.came(p)
		case "731":
			p.answer = answer{listed: true} // the others were about who has left
			p.gone()
			s.show(p)
		case "734":
			p.answer.listed = false
		}
	}
}

// came notes that a nick that is monitored is there, and asks what that does not say.
func (s *session) came(p *person) {
	if p.online {
		return
	}
	p.gone()
	p.online, p.settled = true, false
	if s.source.config.RequireAccount {
		p.wantWhois = true // it also says whether the nick is away
	} else {
		p.wantUserhost = true
	}
}

// takeNews takes what the server tells of a nick that is monitored.
func (s *session) takeNews(m ircmsg.Message) {
	p := s.byNick[s.server.fold(m.Nick())]
	if p == nil || !p.online {
		return
	}
	if m.Command == "AWAY" {
		p.away, p.text = last(m) != "", plain(last(m))
		p.answer.away, p.answer.text = p.away, p.text // what was answered before is older
	} else {
		p.account = strings.TrimPrefix(param(m, 0), "*")
		p.answer.account = p.account
	}
	if p.wantWhois || p.wantUserhost || s.asks(p) {
		return // not everything is known yet
	}
	s.show(p)
}

// asks reports whether the batch asks about a person.
func (s *session) asks(p *person) bool {
	return s.batch != nil && (slices.Contains(s.batch.userhost, p) || slices.Contains(s.batch.whois, p))
}

// answered draws the conclusions: the server has answered the batch.
func (s *session) answered(now time.Time) {
	b := s.batch
	s.batch = nil
	watched := func(p *person) bool { return s.byNick[p.folded] == p } // it may have been removed meanwhile
	for _, p := range b.monitor {
		if watched(p) && !p.answer.listed { // it is one too many
			p.monitored, p.wantUserhost, s.full = false, true, true
		}
	}
	for _, p := range b.whois { // first, for it knows the text
		if watched(p) {
			s.answeredWhois(p, now)
		}
	}
	for _, p := range b.userhost {
		if watched(p) {
			s.answeredUserhost(p)
		}
	}
	s.settle()
}

func (s *session) answeredUserhost(p *person) {
	a := p.answer
	if !a.here {
		s.missed(p)
		return
	}
	if p.host != "" && p.host != a.host { // somebody else has the nick now
		p.gone()
		s.show(p)
	}
	wasAway := p.away
	p.online, p.away, p.host = true, a.away, a.host
	if p.asked.IsZero() && s.source.config.RequireAccount || a.away && !wasAway {
		p.wantWhois = true
	}
	if !a.away {
		p.text = ""
	}
	s.showKnown(p)
}

func (s *session) answeredWhois(p *person, now time.Time) {
	a := p.answer
	switch {
	case a.identified:
		p.online, p.away, p.text, p.account, p.asked = true, a.away, a.text, a.account, now
	case a.missing:
		s.missed(p)
		return
	} // else the server has not answered, and is asked again at the next poll
	s.showKnown(p)
}

// missed notes that a nick is not there. Of one that is monitored the server says so itself; it may be back already.
func (s *session) missed(p *person) {
	p.settled = true
	if !p.monitored {
		p.gone()
		s.show(p)
	}
}

// showKnown reports a person unless there are questions left.
func (s *session) showKnown(p *person) {
	if !p.wantUserhost && !p.wantWhois {
		s.show(p)
	}
}

// plain makes one line of an away text, without colours and other formatting.
func plain(text string) string {
	text = ircfmt.Strip(strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}
