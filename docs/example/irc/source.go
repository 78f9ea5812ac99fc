// Package irc is a source that asks an IRC server again and again which of a list of nicks are there (USERHOST, RFC 2812, 4.8).
// Package app calls it through ports.Source.
package irc

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("irc")

// statuses maps the mark in the answer to USERHOST: + is here, - is away.
var statuses = domain.NewStatusMap(map[string]domain.Status{"+": domain.Available, "-": domain.Away}, domain.Available)

// Source watches the nicks of its configuration. Make it with New.
type Source struct {
	config Config
	users  map[string]domain.UserID // by the nick in lower case
}

// New makes a source of a configuration that it validates.
func New(c Config) (ports.Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Source{config: c, users: make(map[string]domain.UserID, len(c.Watch))}
	for _, nick := range c.Watch {
		user, err := domain.NewUserID(nick, c.Domain) // checks the nick and folds its case
		if err != nil {
			return nil, fmt.Errorf("irc.watch: %w", err)
		}
		s.users[strings.ToLower(nick)] = user
	}
	return s, nil
}

// Describe implements ports.Source.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: Protocol, StaleAfter: s.config.StaleAfter, Absent: domain.AbsentUnavailable}
}

// Run implements ports.Source.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	err := s.run(ctx, observer)
	return cmp.Or(ctx.Err(), err) // the connection may have been closed because of it
}

func (s *Source) run(ctx context.Context, observer ports.Observer) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the IRC server %s: %w", s.config.Host, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends whatever waits for the server
	defer conn.Close()                                          //nolint:errcheck // nothing more is said
	c := &connection{Conn: conn, lines: bufio.NewReaderSize(conn, maxLine)}
	if err := c.register(s.config.Nick, s.config.Password.Reveal()); err != nil {
		return fmt.Errorf("logging in at the IRC server %s: %w", s.config.Host, err)
	}
	observer.Connected()
	if err := s.watch(ctx, c, observer); err != nil {
		return fmt.Errorf("lost the IRC server %s: %w", s.config.Host, err)
	}
	return nil
}

// dial connects. The DNS query ends with ctx, too.
func (s *Source) dial(ctx context.Context) (net.Conn, error) {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: answerWithin, Resolver: dns.NewResolver("")},
		Config:    &tls.Config{RootCAs: s.config.Roots.Pool, MinVersion: tls.VersionTLS12},
	}
	return dialer.DialContext(ctx, "tcp", s.config.Host)
}

// watch reports what the server answers until the connection is lost. It always reads, so that it notices when the server closes the
// connection; another goroutine asks.
func (s *Source) watch(ctx context.Context, c *connection, observer ports.Observer) error {
	asking, stop := context.WithCancel(ctx)
	var asker sync.WaitGroup
	defer asker.Wait()
	defer c.Close() //nolint:errcheck // the asker may be writing
	defer stop()
	asker.Go(func() { s.ask(asking, c) })

	online := make(map[string]domain.Status)
	for synced := false; ; {
		command, text, err := c.receive()
		if err != nil {
			return err
		}
		switch command {
		case "302":
			readUserhost(text, online)
		case "PONG": // the server has answered all that was asked before
			for nick, user := range s.users {
				observer.Report(domain.Report{User: user, Device: nick, Status: online[nick]})
			}
			clear(online)
			if !synced {
				observer.Synced()
				synced = true
			}
			if err := c.expectWithin(s.config.PollEvery + answerWithin); err != nil {
				return err
			}
		}
	}
}

// ask asks for the nicks until ctx ends or the connection is lost, which the reader notices as well.
func (s *Source) ask(ctx context.Context, c *connection) {
	var question []string
	for some := range slices.Chunk(s.config.Watch, maxPerQuestion) {
		question = append(question, "USERHOST "+strings.Join(some, " "))
	}
	question = append(question, "PING :asked") // the PONG comes after all other answers
	for c.send(question...) == nil {
		select {
		case <-time.After(s.config.PollEvery):
		case <-ctx.Done():
			return
		}
	}
}

// readUserhost adds the answer to a USERHOST: a list of nick=+host, or nick=-host for those who are away.
func readUserhost(list string, online map[string]domain.Status) {
	for entry := range strings.FieldsSeq(list) {
		nick, host, _ := strings.Cut(entry, "=")
		if status, known := statuses.Status(host[:min(1, len(host))]); known && nick != "" {
			online[strings.ToLower(strings.TrimSuffix(nick, "*"))] = status // the star marks an operator
		}
	}
}
