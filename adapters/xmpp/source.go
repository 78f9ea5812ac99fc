package xmpp

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Source = (*Source)(nil)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("xmpp")

// leaveWithin is how long Run waits for the server to close the stream after ctx has ended.
const leaveWithin = 300 * time.Millisecond

// limits are the times and sizes that tests make smaller.
type limits struct {
	login       time.Duration // for the whole login
	silence     time.Duration // between two pings; without a sign of life for that long the link counts as lost
	roster      time.Duration // for the answer to the roster request, however long it is: see maxRoster
	unavailable time.Duration // until it is passed on that a device is unavailable, see delayed
	rosterSize  int           // see maxRoster
	marks       int           // see maxMarks
	uncounted   int           // see maxUncounted
}

var defaultLimits = limits{
	login:       loginWithin,
	silence:     10 * time.Second,
	roster:      5 * time.Minute, // for maxRoster, half a megabit a second
	unavailable: 500 * time.Millisecond,
	rosterSize:  maxRoster,
	marks:       maxMarks,
	uncounted:   maxUncounted,
}

// Source watches the users that one XMPP account can see. Make it with New.
type Source struct {
	config    Config
	own       account
	tls       *tls.Config
	directory directory
	trusted   map[string]bool // hosts whose users need not be contacts
	allowed   map[string]bool // hosts whose users may subscribe
	resolver  *net.Resolver
	limits    limits
	log       *slog.Logger

	// What one Run leaves for the next.
	mechanism string   // how to log in, if not the library's choice
	contacts  contacts // with all users that the use cases know
}

// New makes a source of a configuration that it validates.
func New(c Config, log *slog.Logger) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	own, err := parseAccount(c.JID)
	if err != nil {
		return nil, fmt.Errorf("xmpp.jid: %w", err)
	}
	s := &Source{
		config:    c,
		own:       own,
		directory: newDirectory(c, own),
		trusted:   map[string]bool{own.host: true},
		allowed:   make(map[string]bool, len(c.AllowDomains)),
		resolver:  dns.NewResolver(""),
		limits:    defaultLimits,
		contacts:  contacts{byJID: make(map[string]contact), aliases: make(map[domain.UserID]int)},
		log:       log,
		tls: &tls.Config{
			ServerName:         own.asciiOf, // the domain, whatever the server's host name is (RFC 6120, 13.7.2.1)
			RootCAs:            c.Roots.Pool,
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: c.InsecureSkipVerify, //nolint:gosec // the administrator asked for it, and is warned
		},
	}
	if c.TLS == DirectTLS {
		s.tls.NextProtos = []string{"xmpp-client"} // XEP-0368
	}
	for host := range s.directory.hosts {
		s.trusted[host] = true
	}
	for _, host := range c.AllowDomains {
		s.allowed[strings.ToLower(host)] = true
	}
	if c.InsecureSkipVerify {
		log.Warn("xmpp.insecure_skip_verify is set: anybody on the way to the XMPP server can read the password")
	}
	return s, nil
}

// Describe implements ports.Source.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: Protocol, StaleAfter: s.config.StaleAfter, Absent: domain.AbsentUnavailable}
}

// Run implements ports.Source.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	c, err := s.login(ctx)
	if err == nil {
		err = s.watch(ctx, c, observer)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
