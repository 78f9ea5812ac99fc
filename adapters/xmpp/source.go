package xmpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("xmpp")

// limits are the times and sizes that tests make smaller.
type limits struct {
	login       time.Duration // from the first DNS query until the server has accepted us
	silence     time.Duration // between two pings; without a sign of life for that long the link counts as lost
	roster      time.Duration // for the answer to the roster request, however long it is
	unavailable time.Duration // until it is passed on that a device is unavailable, see delayed
	probe       time.Duration // between two rounds in which contacts are asked whether they are still there
	check       time.Duration // between two checks of the privilege
	rosterSize  int           // bytes from one stanza to the next while the roster is awaited: a contact takes about 120
	marks       int           // tags and attributes from one stanza to the next; each becomes some hundred bytes in the parser
	uncounted   int           // see contacts
}

var defaultLimits = limits{
	login:       20 * time.Second,
	silence:     10 * time.Second,
	roster:      5 * time.Minute, // for rosterSize, half a megabit a second
	unavailable: 500 * time.Millisecond,
	probe:       10 * time.Minute,
	check:       time.Minute,
	rosterSize:  16 << 20,
	marks:       1_500_000, // the largest roster has fewer
	uncounted:   100_000,   // 20 MB of JIDs of usual length, and 200 MB if all are as long as they can be
}

// Source watches the users that one XMPP account can see. Make it with New.
type Source struct {
	config    Config
	own       account
	tls       *tls.Config
	directory directory
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
	own, _ := parseAccount(c.JID)
	s := &Source{
		config:    c,
		own:       own,
		directory: newDirectory(c, own),
		resolver:  dns.NewResolver(""),
		limits:    defaultLimits,
		contacts:  contacts{byJID: make(map[string]contact), aliases: make(map[domain.UserID]int)},
		log:       log,
		tls:       c.Roots.ClientTLS(own.asciiOf, c.InsecureSkipVerify), // the domain, whatever the server's host name is (RFC 6120, 13.7.2.1)
	}
	if c.TLS == DirectTLS {
		s.tls.NextProtos = []string{"xmpp-client"} // XEP-0368
	}
	return s, nil
}

// trusts reports whether the users of a host need not be contacts.
func (s *Source) trusts(host string) bool {
	_, mapped := s.directory.hosts[host]
	return host == s.own.host || mapped
}

// allows reports whether the users of a host may subscribe.
func (s *Source) allows(host string) bool {
	return slices.ContainsFunc(s.config.AllowDomains, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}

// Describe implements ports.Source.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: Protocol, StaleAfter: s.config.StaleAfter, Absent: domain.AbsentUnavailable}
}

// Run implements ports.Source.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	c, err := s.login(ctx, s.own.resource)
	if err == nil {
		err = s.watch(ctx, c, observer)
	}
	return cmp.Or(ctx.Err(), err)
}
