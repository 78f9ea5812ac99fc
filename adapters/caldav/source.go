package caldav

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Protocol is the protocol's name.
var Protocol = domain.MustProtocol("calendar")

// device is the name of what is reported: a user has one calendar here, however many there are.
const device = "calendar"

// limits are the times and sizes that tests make smaller.
type limits struct {
	parallel    int           // requests at once
	silence     time.Duration // without a byte of an answer that has begun, or should have
	answer      time.Duration // for a whole answer
	proof       time.Duration // for the answer that shows that the server is there; with silence it is less than the 30 s of ports.Source
	firstRetry  time.Duration // when a server is away; doubled after each further attempt
	lastRetry   time.Duration // at most
	longestWait time.Duration // that a server can ask for with Retry-After
	readAgain   time.Duration // when a calendar is read again that has not changed, because time goes on
	listAgain   time.Duration // when the server is asked again who has calendars
	body        int           // bytes
}

var defaultLimits = limits{
	parallel: 4, silence: 20 * time.Second, answer: 5 * time.Minute, proof: 5 * time.Second, firstRetry: time.Second, lastRetry: 30 * time.Second,
	longestWait: time.Hour, readAgain: 24 * time.Hour, listAgain: 10 * time.Minute, body: ical.MaxBytes,
}

// Source reads the calendars of users. Make it with New.
type Source struct {
	config     Config
	url        *url.URL // nil without a CalDAV server
	zone       *time.Location
	identities ports.Identities
	users      ports.TimeZones
	clock      ports.Clock
	limits     limits
	log        *slog.Logger
	statuses   [3]domain.Status  // by kind; Unavailable says nothing
	transport  http.RoundTripper // instead of the network, in a test

	// What one Run leaves for the next.
	calendars map[string]*calendar      // by their keys
	zones     map[string]*time.Location // by their names: to load one takes milliseconds
	found     []string                  // the homes that the server has listed

	saidUnlisted bool // that it does not list them
}

// New makes a source of a configuration that it validates.
func New(c Config, identities ports.Identities, users ports.TimeZones, clock ports.Clock, log *slog.Logger) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Source{
		config: c, identities: identities, users: users, clock: clock, limits: defaultLimits, log: log,
		calendars: make(map[string]*calendar), zones: make(map[string]*time.Location),
	}
	s.zone, _ = zoneOf(c.TimeZone)
	if c.URL != "" {
		s.url, _ = parseAddress(strings.TrimSuffix(c.URL, "/"))
	}
	for _, kind := range c.Busy {
		s.statuses[kinds[kind]] = domain.Busy
	}
	for _, kind := range c.Away {
		s.statuses[kinds[kind]] = domain.Away
	}
	return s, nil
}

// Describe implements ports.Source.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: Protocol, StaleAfter: s.config.StaleAfter, Absent: domain.AbsentNothing}
}

// Run implements ports.Source. It ends when nothing can be reached and, for calendar.keep, nothing could be.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	err := ctx.Err()
	if err == nil {
		err = s.run(ctx, observer)
	}
	return cmp.Or(ctx.Err(), err)
}

// zoneOf returns the zone of a user: by identities, else that of the configuration.
func (s *Source) zoneOf(user domain.UserID) *time.Location {
	name := s.users.TimeZone(user)
	if name == "" {
		return s.zone
	}
	if s.zones[name] == nil {
		zone, err := zoneOf(name)
		if err != nil { // who reads identities has checked it
			zone = s.zone
		}
		s.zones[name] = zone
	}
	return s.zones[name]
}

// calendar is what a user has at one address: the calendars in a home of the CalDAV server, or a single one.
type calendar struct {
	key  string
	user domain.UserID
	home *url.URL       // of the CalDAV server, or
	ics  *url.URL       // an address of its own
	zone *time.Location // of the user

	copies  []collection
	hasCopy bool
	asOf    domain.Timestamp // when the copies were last what the server has
	failing bool             // since then it could not be looked at
	refused bool             // the server has said that there is none, and this was logged

	crowdedOut bool // there is no room for the user, so nothing is kept

	place    // in the queue of what is to be looked at
	tried    bool
	failures int
	person   *person
}

// inherit takes the copies of the same calendar. In another zone they are to be read again, and count until then.
func (c *calendar) inherit(from *calendar) {
	c.copies, c.hasCopy, c.asOf, c.failing, c.refused = from.copies, from.hasCopy, from.asOf, from.failing, from.refused
	if c.zone == from.zone {
		return
	}
	c.copies = slices.Clone(c.copies) // a reader may have those
	for i := range c.copies {
		c.copies[i].readAgain = 0
	}
}

// collection is a copy of a calendar: what it says in the time that was computed.
type collection struct {
	path, token    string           // of the server: while the token is the same, nothing has changed
	etag, modified string           // of an .ics: ETag and Last-Modified
	readAgain      domain.Timestamp // when it is read again even if it has not changed: so far it is computed ahead, and a while longer
	intervals      []ical.Interval
}

// wanted lists the calendars that are to be looked at: the homes of users, and those of ics.
func (s *Source) wanted(homes []domain.Name) map[string]*calendar {
	all := make(map[string]*calendar)
	for _, name := range homes {
		key := "home " + string(name.User) + " " + name.Text
		all[key] = &calendar{key: key, user: name.User, home: s.address(s.config.Homes, name.Text), zone: s.zoneOf(name.User)}
	}
	for i, entry := range s.config.ICS {
		user, _ := domain.ParseUserID(entry.User)
		address, _ := parseAddress(entry.URL.Reveal())
		key := fmt.Sprintf("ics %d", i)
		all[key] = &calendar{key: key, user: user, ics: address, zone: s.zoneOf(user)}
	}
	return all
}
