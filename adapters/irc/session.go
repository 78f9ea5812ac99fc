package irc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/zarafa/presence/ports"
)

// session is a connection after the login. One goroutine has it; another reads.
type session struct {
	source   *Source
	conn     *connection
	server   server
	own      string // the daemon's nick
	observer ports.Observer

	people  []*person
	byNick  map[string]*person // by person.folded
	leaving []string           // nicks that the server is to stop monitoring
	full    bool               // the server monitors no further nick
	synced  bool

	batch     *batch    // what was asked and is not answered yet
	batches   int       // how many there were
	sent      time.Time // when the last batch was sent
	notBefore time.Time // when the next one may be sent
	pollAt    time.Time // when all is asked again that the server does not tell by itself

	userhostTurn, whoisTurn int // where in people the next batch begins to look, so that everybody has a turn
}

func newSession(source *Source, conn *connection, server server, own string, observer ports.Observer) *session {
	return &session{source: source, conn: conn, server: server, own: own, observer: observer}
}

// run watches until the connection is lost or ctx ends.
func (s *session) run(ctx context.Context) error {
	changed := s.source.identities.Changed() // before asking, so that no change is missed
	s.update()
	s.pollAt = time.Now().Add(s.source.config.PollEvery)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(s.wake()))
		select {
		case m, more := <-s.conn.messages:
			if !more {
				return s.conn.failed
			}
			if err := s.take(m); err != nil {
				return err
			}
		case <-timer.C:
			if err := s.tick(time.Now()); err != nil {
				return err
			}
		case <-changed:
			changed = s.source.identities.Changed()
			s.update()
		case <-ctx.Done():
			_ = s.conn.send("QUIT") // so that the nick is free at once
			return ctx.Err()
		}
	}
}

// wake returns when tick has something to do.
func (s *session) wake() time.Time {
	if s.batch != nil {
		return s.sent.Add(s.source.limits.answer)
	}
	at := s.sent.Add(s.source.limits.idle)
	if s.pollAt.Before(at) {
		at = s.pollAt
	}
	if s.pending() {
		at = s.notBefore
	}
	if at.Before(s.notBefore) {
		return s.notBefore
	}
	return at
}

// tick sends the next batch. If the last one was not answered in time, the connection is as good as lost.
func (s *session) tick(now time.Time) error {
	if s.batch != nil {
		if now.Before(s.sent.Add(s.source.limits.answer)) {
			return nil
		}
		return fmt.Errorf("it has not answered for %v", s.source.limits.answer)
	}
	if !now.Before(s.pollAt) {
		s.poll(now)
	}
	if now.Before(s.notBefore) {
		return nil
	}
	return s.ask(now)
}

// poll notes what has to be asked again. It waits until everybody has been asked once.
func (s *session) poll(now time.Time) {
	s.pollAt = now.Add(s.source.config.PollEvery)
	if !s.synced {
		return
	}
	for _, p := range s.people {
		if !p.monitored || p.online && !s.server.tells(capAwayNotify) {
			p.wantUserhost = true
		}
		if s.isOutdated(p, now) {
			p.wantWhois = true
		}
	}
}

// isOutdated reports whether a person's text or account may have changed without anybody telling.
func (s *session) isOutdated(p *person, now time.Time) bool {
	since, account := now.Sub(p.asked), s.source.config.RequireAccount
	tellsAway := p.monitored && s.server.tells(capAwayNotify)
	tellsAccount := p.monitored && s.server.tells(capAccountNotify)
	switch {
	case !p.online:
		return false
	case p.asked.IsZero():
		return account || p.away
	case !s.trusts(p):
		return !tellsAccount // the user may log in to the account at any moment
	case p.away && !tellsAway && since >= s.source.limits.text:
		return true
	default:
		return account && !tellsAccount && since >= s.source.limits.account
	}
}

// settle calls Synced as soon as it is known of everybody whether they are there.
func (s *session) settle() {
	if s.synced || slices.ContainsFunc(s.people, func(p *person) bool { return !p.settled }) {
		return
	}
	s.synced = true
	s.observer.Synced()
}
