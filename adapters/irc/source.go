// Package irc is a source that watches nicks on an IRC server: by MONITOR as far as the server can do that, else by asking again and again
// (USERHOST). Package app calls it through ports.Source.
//
// connection.go carries messages, server.go is what a server says of itself, login.go logs in. After that a session (session.go) asks in batches
// (batch.go) and takes what the server says (answers.go) of the people that are watched (people.go).
package irc

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("irc")

// limits are the times that tests make smaller.
type limits struct {
	login   time.Duration // from the first DNS query until the server has accepted us
	answer  time.Duration // for all that was asked in one batch
	idle    time.Duration // without a batch; then the server is asked for a sign of life
	pace    time.Duration // for each line that is sent, on average
	slow    time.Duration // the same, at a server that has complained
	text    time.Duration // until the text of who is away is asked for again, if the server does not tell
	account time.Duration // the same of the account
}

// A silent server is noticed after idle and answer. Most servers delay what comes too fast. Such a server sets the pace itself, because nothing is
// sent before everything that was asked has been answered. Others end the connection; slow is what RFC 1459, 8.10, allows.
var defaultLimits = limits{
	login: 20 * time.Second, answer: 15 * time.Second, idle: 10 * time.Second,
	pace: 100 * time.Millisecond, slow: 2 * time.Second,
	text: 2 * time.Minute, account: 10 * time.Minute,
}

// Source watches the nicks that users have and those of its configuration. Make it with New.
type Source struct {
	config     Config
	identities ports.Identities
	busy       *regexp.Regexp // nil: nobody is busy
	tls        *tls.Config    // nil: none
	dialer     *net.Dialer
	log        *slog.Logger

	// What one Run leaves for the next.
	limits limits                 // pace may have changed
	users  map[domain.UserID]bool // who was watched
}

// New makes a source of a configuration that it validates.
func New(c Config, identities ports.Identities, log *slog.Logger) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Source{config: c, identities: identities, dialer: &net.Dialer{Resolver: dns.NewResolver("")}, limits: defaultLimits, log: log}
	if c.BusyPattern != "" {
		s.busy = regexp.MustCompile(c.BusyPattern)
	}
	if c.TLS == tlsDirect {
		host, _, _ := net.SplitHostPort(c.Host)
		s.tls = c.Roots.ClientTLS(host, c.InsecureSkipVerify)
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
	return cmp.Or(ctx.Err(), err) // what failed may have failed because of it
}

func (s *Source) run(ctx context.Context, observer ports.Observer) error {
	login, cancel := context.WithTimeout(ctx, s.limits.login)
	defer cancel()
	conn, err := connect(login, s.dialer, s.config.Host, s.tls)
	if err != nil {
		return fmt.Errorf("connecting to the IRC server %s: %w", s.config.Host, err)
	}
	defer conn.close()
	server, own, err := s.login(login, conn)
	if err != nil {
		return fmt.Errorf("logging in at the IRC server %s: %w", s.config.Host, err)
	}
	observer.Connected()
	session := newSession(s, conn, server, own, observer)
	if err := session.run(ctx); err != nil {
		return fmt.Errorf("lost the IRC server %s: %w", s.config.Host, err)
	}
	return nil
}
