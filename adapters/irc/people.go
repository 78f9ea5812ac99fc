package irc

import (
	"time"

	"github.com/zarafa/presence/domain"
)

// person is a nick that is watched, and what is known of who has it now.
type person struct {
	nick   string
	folded string // in the server's spelling; it is the name of the user's device
	user   domain.UserID

	monitored bool // the server tells when the nick comes and goes
	settled   bool // it was found out once whether the nick is there
	online    bool
	away      bool
	text      string    // why, if away
	account   string    // the services account, empty: none
	host      string    // user@host as USERHOST has it, empty: not known
	asked     time.Time // when WHOIS was answered last for who has the nick now
	told      bool      // the log was told that there is no account

	wantUserhost bool
	wantWhois    bool
	answer       answer // of the batch that is under way
}

// answer is what the server has answered about a person in this batch.
type answer struct {
	listed     bool // by MONITOR, as there or not
	here       bool // USERHOST
	identified bool // WHOIS
	missing    bool // WHOIS: there is no such nick
	away       bool
	text       string
	account    string
	host       string
}

// gone forgets who had the nick.
func (p *person) gone() {
	p.settled, p.online, p.away, p.text, p.account, p.host = true, false, false, "", "", ""
	p.asked, p.told, p.wantWhois = time.Time{}, false, false
}

// wanted lists who is to be watched, with the server's spelling of the nicks: the nicks of identities, and those of irc.watch, who are
// nick@domain unless identities say something else.
func (s *Source) wanted(server *server, own string) (people []*person) {
	seen := map[string]bool{server.fold(own): true}
	add := func(nick string, user domain.UserID) {
		folded := server.fold(nick)
		if !isNick(nick) || seen[folded] {
			return
		}
		seen[folded] = true
		people = append(people, &person{nick: nick, folded: folded, user: user, wantUserhost: true})
	}
	for _, name := range s.identities.Names(Protocol) {
		if !isNick(name.Text) {
			s.log.Warn("a name of identities is no nick and is ignored", "user", name.User, "name", name.Text)
		}
		add(name.Text, name.User)
	}
	for _, nick := range s.config.Watch {
		user, known := s.identities.Find(Protocol, nick)
		if !known {
			user, _ = domain.NewUserID(nick, s.config.Domain) // Validate has checked it
		}
		add(nick, user)
	}
	return people
}

// update watches the people that are wanted now, and forgets the others.
func (s *session) update() {
	wanted := make(map[string]*person)
	users := make(map[domain.UserID]bool)
	var order []*person
	for _, p := range s.source.wanted(&s.server, s.own) {
		if before := s.byNick[p.folded]; before != nil && before.user == p.user {
			p = before
		} else if !s.observer.Known(p.user) {
			s.source.log.Warn("a nick is not watched, because there is no room for its user (store.max_users)", "nick", p.nick, "user", p.user)
			continue
		}
		wanted[p.folded], users[p.user] = p, true
		order = append(order, p)
	}
	for _, p := range s.people {
		if wanted[p.folded] == p {
			continue
		}
		if p.monitored {
			s.leaving = append(s.leaving, p.nick)
			s.full = false
		}
		if users[p.user] {
			s.observer.Report(domain.Report{User: p.user, Device: p.folded, Status: domain.Unavailable})
		}
	}
	for user := range s.source.users {
		if !users[user] {
			s.observer.Forget(user)
		}
	}
	s.people, s.byNick, s.source.users = order, wanted, users
	if len(order) == 0 {
		s.source.log.Warn("no nick is watched: give users names in identities, or set " + Protocol.String() + ".watch")
	}
}

// trusts reports whether who has a nick is its user: logged in to the services account of that name, or of another nick of the user.
func (s *session) trusts(p *person) bool {
	if !s.source.config.RequireAccount {
		return true
	}
	if p.account == "" {
		return false
	}
	account := s.server.fold(p.account)
	other := s.byNick[account]
	return account == p.folded || other != nil && other.user == p.user
}

// show reports a person as it is now.
func (s *session) show(p *person) {
	report := domain.Report{User: p.user, Device: p.folded, Status: domain.Unavailable}
	switch {
	case !p.online:
	case !s.trusts(p):
		if !p.told && !p.asked.IsZero() {
			p.told = true
			s.source.log.Info("a nick is not shown, because it is not logged in to the services account of its user", "nick", p.nick, "account", p.account)
		}
	case !p.away:
		report.Status = domain.Available
	case s.source.busy != nil && s.source.busy.MatchString(p.text):
		report.Status, report.Message = domain.Busy, p.text
	default:
		report.Status, report.Message = domain.Away, p.text
	}
	p.settled = true
	s.observer.Report(report)
}
