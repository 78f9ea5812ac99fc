package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	errLeft     = errors.New("the daemon ends")

	errRosterFailed = errors.New("the server does not tell all of the account's contacts")
)

// watch tells observer what arrives until the link is lost or ctx ends, and ends everything before it returns.
func (s *Source) watch(ctx context.Context, c *connection, observer ports.Observer) error {
	session := newSession(s, c, observer)
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
	return session.wait(ctx, lost)
}

// wait returns when the link is lost or ctx has ended. Meanwhile it says when everyone who is online has been seen.
func (s *session) wait(ctx context.Context, lost <-chan error) error {
	settled := (<-chan struct{})(s.settled)
	var sweep <-chan time.Time
	for {
		select {
		case <-settled:
			settled = nil
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

// leave tells the server that we go, and gives it a moment to close the stream. Neither can hold it up: whatever still
// waits then ends when the relay is cut.
func (s *session) leave(lost <-chan error) {
	timer := time.AfterFunc(leaveWithin, func() { s.relay.cut(errLeft) })
	defer timer.Stop()
	if s.sendEnd() == nil {
		<-lost //nolint:errcheck // the reason is that we go
	}
}

// synced tells the observer that everyone has been seen, and the operator if that is nobody.
func (s *session) synced() {
	if s.watched.Load() == 0 {
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
			s.arrived.Add(1)
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

// next waits for the next stanza.
func (c *connection) next() (stanza any, err error) {
	defer contain(&err)
	for {
		stanza, err = c.client.Recv()
		c.guard.returned()
		if err == nil || err.Error() != "no avatar metadata items available" { // somebody has removed a picture
			return stanza, err
		}
	}
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

// keepAlive pings the server until ctx ends, and cuts the link when nothing comes from it any more. Its first answer also
// says that the server has dealt with our login and all it brings about.
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

// ping sends a ping and waits for the answer, for as long as anything at all arrives. It reports whether one came.
func (s *session) ping(ctx context.Context, n uint64) bool {
	timeout := s.source.limits.pingTimeout
	stuck := time.AfterFunc(timeout, func() { s.relay.cut(errSilent) }) // sending can block as well
	err := s.sendPing(pingID + strconv.FormatUint(n, 10))
	if stuck.Stop(); err != nil {
		return false // the receiving side finds out
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for seen := s.arrived.Load(); ; {
		select {
		case <-s.pong:
			return true
		case <-ctx.Done():
			return false
		case <-timer.C:
			if now := s.arrived.Load(); now != seen {
				seen = now
				timer.Reset(timeout)
				continue
			}
			s.relay.cut(errSilent)
			return false
		}
	}
}
