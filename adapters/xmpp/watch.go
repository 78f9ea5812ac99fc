package xmpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/ports"
)

var (
	errSilent       = errors.New("the server has fallen silent: it does not answer a ping")
	errNoRoster     = errors.New("the server does not answer the request for the contacts")
	errRosterFailed = errors.New("the server does not tell all of the account's contacts")
)

// watch tells observer what arrives until the link is lost or ctx ends, and ends everything before it returns.
func (s *Source) watch(ctx context.Context, c *connection, observer ports.Observer) error {
	delayed := newDelayed(observer, s.limits.unavailable)
	defer delayed.drop()
	session := newSession(s, c, delayed)
	defer c.end()

	observer.Connected()
	s.log.Debug("logged in to the XMPP server", "jid", c.own, "server", c.server, "mechanism", c.client.Mechanism)
	lost := make(chan error, 1)
	c.running.Go(func() { lost <- session.receive() })
	c.running.Go(session.keepAlive)
	c.running.Go(func() { session.watchPrivilege(ctx) })
	return session.wait(ctx, lost)
}

// wait returns when the link is lost or ctx has ended. Meanwhile it calls Synced when everyone who is online has been seen: when none of those
// who were online before came back for sweep_after, or after stale_after at the latest.
func (s *session) wait(ctx context.Context, lost <-chan error) error {
	ready, after := s.ready, s.source.config.SweepAfter
	var sweep, latest <-chan time.Time
	unconfirmed := 0
	for {
		select {
		case <-ready:
			ready, sweep, latest = nil, time.After(after), time.After(max(after, s.source.config.StaleAfter))
			unconfirmed = s.observer.Unconfirmed()
		case <-sweep:
			if now := s.observer.Unconfirmed(); now < unconfirmed {
				unconfirmed, sweep = now, time.After(after)
				continue
			}
			sweep, latest = nil, nil
			s.synced()
		case <-latest:
			sweep, latest = nil, nil
			s.synced()
		case err := <-lost:
			return err
		case <-ctx.Done():
			// Say goodbye, and give the server a moment to close the stream. The cut ends whatever still waits after that.
			defer time.AfterFunc(300*time.Millisecond, func() { s.cut(nil) }).Stop()
			if s.send(goodbye) == nil {
				<-lost //nolint:errcheck // the reason is that we go
			}
			return ctx.Err()
		}
	}
}

// synced says that everyone who is online has been seen, and warns if that is nobody.
func (s *session) synced() {
	if !s.watches.Load() {
		s.source.log.Warn("the XMPP account sees nobody: it has no contacts and no privilege to see the server's users", "jid", s.own)
	}
	s.observer.Synced()
}

// receive takes what arrives until the link is lost, and returns why. It ends at the latest when the relay is cut. What comes after the roster
// is handled by a goroutine of its own, so that the next stanza can be parsed meanwhile.
func (s *session) receive() error {
	defer s.cut(nil)
	s.rosterTimer = time.AfterFunc(s.source.limits.roster, func() { s.cut(errNoRoster) })
	defer s.rosterTimer.Stop()
	err := s.send(rosterRequest + lowPriority)
	for err == nil && !s.hasRoster {
		err = s.next(s.handle)
	}
	stanzas := make(chan any, 256)
	defer close(stanzas)
	s.running.Go(func() { s.handleAll(stanzas) })
	for err == nil {
		err = s.next(func(stanza any) error { stanzas <- stanza; return nil })
	}
	return s.lost(err)
}

// handleAll handles stanzas until there will be no more.
func (s *session) handleAll(stanzas <-chan any) {
	for stanza := range stanzas {
		if err := s.handle(stanza); err != nil {
			s.cut(err)
		}
		if len(stanzas) == 0 {
			if err := s.probing.turn(s, time.Now()); err != nil {
				s.cut(err)
			}
			time.Sleep(time.Millisecond) // some more come together: to be woken for each costs more than to handle it
		}
	}
}

// next waits for the next stanza and gives it to take, unless the library does not understand it.
func (c *connection) next(take func(stanza any) error) error {
	stanza, err := c.recv()
	switch {
	case err == nil:
		return take(stanza)
	case harmless.MatchString(err.Error()):
		return nil
	}
	return err
}

func (c *connection) recv() (stanza any, err error) {
	defer contain(&err)
	stanza, err = c.client.Recv()
	c.guard.returned()
	return stanza, err
}

// harmless matches errors about a well-formed stanza that the library has read to its end and only then did not understand: a picture
// (XEP-0084), or an answer to a question that nobody has asked (XEP-0030, XEP-0363). Anybody can send such a stanza, so it must not cost us
// the link. After any other error the library must not be called again: it may wait for ever for a lock that it has not released. An end
// without anything after it is that of an empty text: that of the stream is "unexpected".
var harmless = regexp.MustCompile(`^(EOF$|no avatar metadata items available|expected element type <(metadata|query|slot)>)`)

// lost makes an error that says why the link is lost.
func (s *session) lost(err error) error {
	err = cmp.Or(s.why(), err)
	if condition := s.guard.find(streamCondition); condition != "" {
		return fmt.Errorf("the XMPP server %s closed the connection: %s (%s)", s.server, clip(err.Error()), condition)
	}
	return fmt.Errorf("lost the XMPP server %s: %w", s.server, err)
}

// handle takes one stanza. An error means that the link is lost.
func (s *session) handle(stanza any) error {
	switch stanza := stanza.(type) {
	case xmpp.Presence:
		return s.presence(&stanza)
	case xmpp.IQ:
		return s.request(&stanza)
	case xmpp.Chat:
		s.message(&stanza)
	}
	return nil
}

// keepAlive pings the server until the link ends, and cuts it when nothing has come since the last ping.
func (s *session) keepAlive() {
	silence := s.source.limits.silence
	for {
		seen := s.guard.signs.Load()
		stuck := time.AfterFunc(silence, func() { s.cut(errSilent) }) // sending can block as well
		err := s.send(pingRequest)
		if stuck.Stop(); err != nil {
			return // the receiving side finds out
		}
		select {
		case <-time.After(silence):
		case <-s.done:
			return
		}
		if s.guard.signs.Load() == seen {
			s.cut(errSilent)
			return
		}
	}
}
