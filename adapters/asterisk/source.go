package asterisk

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("asterisk")

// goodbyeWithin is how long a connection that is ended may take to say goodbye.
const goodbyeWithin = 300 * time.Millisecond

// limits are the times that tests make smaller.
type limits struct {
	login  time.Duration // from the first DNS query until Asterisk has accepted us and has booted
	answer time.Duration // for an answer, and between two items of a list
	list   time.Duration // for a whole list
	ping   time.Duration // between two pings
	settle time.Duration // from what calls for a new list to the list: more may come
	doubt  time.Duration // between a list and the next that an event calls for which did not fit the list
}

var defaultLimits = limits{
	login:  20 * time.Second,
	answer: 15 * time.Second,
	list:   2 * time.Minute, // for 100,000 hints, a megabit a second
	ping:   10 * time.Second,
	settle: 500 * time.Millisecond,
	doubt:  10 * time.Second,
}

// Source watches the hints of one Asterisk. Make it with New.
type Source struct {
	config     Config
	identities ports.Identities
	tls        *tls.Config // nil: plain text
	limits     limits
	log        *slog.Logger

	dial func(context.Context) (conn, raw net.Conn, err error) // connect, or a test's
}

// New makes a source of a configuration that it validates.
func New(c Config, identities ports.Identities, log *slog.Logger) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Source{config: c, identities: identities, limits: defaultLimits, log: log}
	s.dial = s.connect
	if c.TLS == tlsDirect {
		host, _, _ := net.SplitHostPort(c.Host)
		s.tls = c.Roots.ClientTLS(host, c.InsecureSkipVerify)
	}
	return s, nil
}

// Describe implements ports.Source. A telephone that says nothing leaves nothing.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: Protocol, StaleAfter: s.config.StaleAfter, Absent: domain.AbsentNothing}
}

// Run implements ports.Source.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	err := s.run(ctx, observer)
	return cmp.Or(ctx.Err(), err)
}

func (s *Source) run(ctx context.Context, observer ports.Observer) error {
	opening, cancel := context.WithTimeoutCause(ctx, s.limits.login, errSlowLogin)
	defer cancel()
	conn, raw, err := s.dial(opening)
	if err != nil {
		return fmt.Errorf("connecting to Asterisk at %s: %w", s.config.Host, err)
	}
	from, err := s.greet(opening, conn, raw)
	if err != nil {
		_ = raw.Close()
		return fmt.Errorf("connecting to Asterisk at %s: %w", s.config.Host, err)
	}
	session := newSession(s, newClient(conn, raw, from), observer)
	// What is being written when ctx ends may block.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(goodbyeWithin)) })
	defer func() {
		stop()
		session.relist.Stop()
		session.end(ctx.Err() != nil && session.isConnected)
	}()
	if err := session.login(opening); err != nil {
		return fmt.Errorf("logging in to Asterisk at %s as %s: %w", s.config.Host, s.config.Username, err)
	}
	if err := session.watch(ctx); err != nil {
		return fmt.Errorf("lost Asterisk at %s: %w", s.config.Host, session.explain(err))
	}
	return nil
}
