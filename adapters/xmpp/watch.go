package xmpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/ports"
)

// The ids of our requests. Pings are numbered.
const (
	rosterID = "roster"
	pingID   = "ping-"
)

var (
	errSilent   = errors.New("the server has fallen silent: it does not answer a ping")
	errNoRoster = errors.New("the server does not answer the request for the contacts")
	errLeft     = errors.New("the daemon is stopping")

	errRosterFailed = errors.New("the server does not tell all of the account's contacts")
)

// watch tells observer what arrives until the link is lost or ctx ends, and ends everything before it returns.
func (s *Source) watch(ctx context.Context, c *connection, observer ports.Observer) error {
	delayed := newDelayed(observer)
	session := newSession(s, c, delayed)
	var running sync.WaitGroup
	defer running.Wait()
	defer c.relay.end()
	watching, stop := context.WithCancel(ctx)
	defer stop()

	observer.Connected()
	s.log.Debug("logged in to the XMPP server", "jid", c.own, "server", c.server, "mechanism", c.client.Mechanism)
	lost := make(chan error, 1)
	running.Go(func() { lost <- session.receive() })
	running.Go(func() { session.keepAlive(watching) })
	return session.wait(ctx, delayed, lost)
}

// wait returns when the link is lost or ctx has ended. Meanwhile it calls Synced when everyone who is online has been seen, and passes on
// who has become unavailable.
func (s *session) wait(ctx context.Context, delayed *delayed, lost <-chan error) error {
	ready := (<-chan struct{})(s.ready)
	var sweep, pass <-chan time.Time
	for {
		select {
		case <-delayed.first:
			pass = time.After(s.source.limits.unavailable)
		case <-pass:
			delayed.pass()
		case <-ready:
			ready = nil
			timer := time.NewTimer(s.source.config.SweepAfter)
			defer timer.Stop()
			sweep = timer.C
		case <-sweep:
			s.synced()
		case err := <-lost:
			return err
		case <-ctx.Done():
			s.leave(lost)
			return ctx.Err()
		}
	}
}

// leave says goodbye, and gives the server a moment to close the stream. After that moment the relay is cut, which ends whatever still waits.
func (s *session) leave(lost <-chan error) {
	timer := time.AfterFunc(leaveWithin, func() { s.relay.cut(errLeft) })
	defer timer.Stop()
	if s.sendEnd() == nil {
		<-lost //nolint:errcheck // the reason is that we go
	}
}

// synced tells the observer that everyone has been seen, and the operator if that is nobody.
func (s *session) synced() {
	if !s.watches.Load() {
		s.log.Warn("the XMPP account sees nobody: it has no contacts and no privilege to see the server's users", "jid", s.own)
	}
	s.observer.Synced()
}

// receive handles what arrives until the link is lost, and returns why. It ends at the latest when the relay is cut.
func (s *session) receive() error {
	defer s.relay.cut(nil)
	overdue := time.AfterFunc(s.source.limits.roster, func() { s.relay.cut(errNoRoster) })
	defer overdue.Stop()
	s.rosterTimer = overdue
	if err := s.open(); err != nil {
		return s.lost(err)
	}
	for {
		stanza, err := s.next()
		if err == nil {
			err = s.handle(stanza)
		}
		if err != nil {
			return s.lost(err)
		}
	}
}

// open asks for what is needed besides the presences, which arrive by themselves.
func (s *session) open() error {
	if err := s.requestRoster(); err != nil {
		return err
	}
	return s.sendPriority()
}

// maxFutile is how many faults the library may find one after the other without anything new having arrived. What it has read ahead
// holds far fewer stanzas.
const maxFutile = 1000

// next waits for the next stanza that the library understands.
func (c *connection) next() (stanza any, err error) {
	defer contain(&err)
	for futile := 0; ; futile++ {
		stanza, err = c.client.Recv()
		if c.guard.unread > 0 {
			futile = 0
		}
		c.guard.returned()
		if err == nil || !isHarmless(err) || futile > maxFutile {
			return stanza, err
		}
	}
}

// harmless are the beginnings of errors about the content of a well-formed stanza: a picture (XEP-0084), or an answer to a question that
// nobody has asked (XEP-0030, XEP-0363).
var harmless = []string{
	"no avatar metadata items available",
	"expected element type <metadata>",
	"expected element type <query>",
	"expected element type <slot>",
}

// isHarmless reports whether the library has read a stanza to its end and only then did not understand it. Anybody can send such a
// stanza, so it must not cost us the link. After any other error the library must not be called again: it may wait for ever for
// a lock that it has not released. An end without anything after it is one of an empty text: that of the stream is "unexpected".
func isHarmless(err error) bool {
	return err == io.EOF || slices.ContainsFunc(harmless, func(beginning string) bool { //nolint:errorlint // a wrapped one is the connection's
		return strings.HasPrefix(err.Error(), beginning)
	})
}

// lost makes an error that says why the link is lost.
func (s *session) lost(err error) error {
	if cause := s.relay.why(); cause != nil {
		err = cause
	}
	if condition := s.guard.condition(); condition != "" {
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
	}
	return nil // chat messages and the like
}

// keepAlive pings the server until ctx ends, and cuts the link when nothing comes any more. The first answer also says that the server has
// dealt with our login and all that follows from it.
func (s *session) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(s.source.limits.pingEvery)
	defer ticker.Stop()
	for n := uint64(1); ; n++ {
		if !s.ping(ctx, n) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// ping sends a ping and waits for the answer, for as long as there are signs of life. It reports whether one came.
func (s *session) ping(ctx context.Context, n uint64) bool {
	timeout := s.source.limits.pingTimeout
	stuck := time.AfterFunc(timeout, func() { s.relay.cut(errSilent) }) // sending can block as well
	err := s.sendPing(pingID + strconv.FormatUint(n, 10))
	if stuck.Stop(); err != nil {
		return false // the receiving side finds out
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for seen := s.guard.signs.Load(); ; {
		select {
		case <-s.pong:
			return true
		case <-ctx.Done():
			return false
		case <-timer.C:
			if now := s.guard.signs.Load(); now != seen {
				seen = now
				timer.Reset(timeout)
				continue
			}
			s.relay.cut(errSilent)
			return false
		}
	}
}
