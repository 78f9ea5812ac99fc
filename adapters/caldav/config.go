package caldav

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// What calendar.message can be.
const (
	MessageNone  = "none"
	MessageKind  = "kind"  // in a meeting, absent
	MessageTitle = "title" // of the event; none if it is private
)

// What calendar.tentative can be.
const (
	TentativeNothing = "nothing"
	TentativeBusy    = "busy"
)

// userPlaceholder stands for the user's calendar name in calendar.homes.
const userPlaceholder = "{user}"

// mostKeep is the most that calendar.keep can be: so far ahead, and some days, all calendars are computed.
const mostKeep = 30 * 24 * time.Hour

// kinds are the words of calendar.busy and calendar.away.
var kinds = map[string]ical.Kind{"opaque": ical.Meeting, "all-day": ical.AllDay, "out-of-office": ical.OutOfOffice}

// Config is the section "calendar" of the configuration.
type Config struct {
	URL                string         `koanf:"url" help:"address of the CalDAV server, e.g. https://dav.example.test"`
	Username           string         `koanf:"username" help:"the account that may read the users' calendars"`
	Password           setting.Secret `koanf:"password" help:"its password"`
	Roots              setting.Roots  `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	InsecureSkipVerify bool           `koanf:"insecure_skip_verify" help:"accept any certificate: anybody on the way can read the password and the calendars"`
	Homes              string         `koanf:"homes" help:"where below url the calendars of a user are; {user} stands for the user's calendar name in identities"`
	ICS                []ICS          `koanf:"ics" help:"calendars that have an address of their own: user, and url or url_file"`
	Refresh            time.Duration  `koanf:"refresh" help:"how often each calendar is looked at, if the server is quick enough"`
	Busy               []string       `koanf:"busy" help:"the kinds of events that make busy: opaque (with a time of day), all-day, out-of-office" choice:"opaque,all-day,out-of-office"`
	Away               []string       `koanf:"away" help:"the kinds of events that make away, which goes before busy" choice:"opaque,all-day,out-of-office"`
	Tentative          string         `koanf:"tentative" help:"what tentative events and unanswered invitations say: nothing, or busy like others" choice:"nothing,busy"`
	Message            string         `koanf:"message" help:"none, kind (In a meeting), or title (that of the event; none if it is private)" choice:"none,kind,title"`
	TimeZone           string         `koanf:"time_zone" help:"the zone of whole days and of times without one, for users whose identities name none, e.g. Europe/Berlin; empty: the machine's"`
	StaleAfter         time.Duration  `koanf:"stale_after" help:"how old the copy of a calendar can be before what it says is marked as stale"`
	Keep               time.Duration  `koanf:"keep" help:"how long the copies count while the server cannot be reached; then calendars say nothing"`
}

// ICS is a calendar with an address of its own.
type ICS struct {
	User string         `koanf:"user" help:"the user whose calendar it is"`
	URL  setting.Secret `koanf:"url" help:"its address, which is a secret"`
}

// DefaultConfig returns the configuration if nothing is set: valid but for the missing calendars.
func DefaultConfig() Config {
	return Config{
		Homes: "/" + userPlaceholder + "/", Refresh: 2 * time.Minute, Busy: []string{"opaque"}, Away: []string{"all-day", "out-of-office"},
		Tentative: TentativeNothing, Message: MessageKind, StaleAfter: 10 * time.Minute, Keep: 24 * time.Hour,
	}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("calendar."+format, args...)) }
	switch {
	case c.URL == "" && len(c.ICS) == 0:
		fault("url: it is missing: the address of a CalDAV server, unless ics has calendars")
	case c.URL != "":
		c.validateServer(fault)
	}
	for i, entry := range c.ICS {
		place := setting.Entry("calendar.ics", i, entry.User)
		if _, err := domain.ParseUserID(entry.User); err != nil {
			faults = append(faults, fmt.Errorf("%s: user: %w", place, err))
		}
		if _, err := parseAddress(entry.URL.Reveal()); err != nil {
			faults = append(faults, fmt.Errorf("%s: url: %w", place, err))
		}
	}
	if c.Roots.File != "" && c.InsecureSkipVerify {
		fault("insecure_skip_verify: it makes ca_file useless: remove one of them")
	}
	c.validateEvents(fault)
	if c.Refresh <= 0 {
		fault("refresh: %v must be positive", c.Refresh)
	}
	if c.StaleAfter <= c.Refresh {
		fault("stale_after: %v must be longer than refresh (%v)", c.StaleAfter, c.Refresh)
	}
	if c.Keep < 0 || c.Keep > mostKeep {
		fault("keep: %v must be from 0 to %v", c.Keep, mostKeep)
	}
	return errors.Join(faults...)
}

func (c Config) validateServer(fault func(string, ...any)) {
	if address, err := parseAddress(c.URL); err != nil {
		fault("url: %w", err)
	} else if address.RawQuery != "" || address.User != nil {
		fault("url: it has a query or a user name: remove that, and use username and password")
	}
	if c.Username == "" || strings.Contains(c.Username, ":") {
		fault("username: it is missing, or has a colon in it")
	}
	if c.Password.IsZero() {
		fault("password: it is missing: set it, or password_file")
	}
	if !strings.HasPrefix(c.Homes, "/") || strings.Count(c.Homes, userPlaceholder) != 1 {
		fault("homes: %q must begin with / and have %s in it once", c.Homes, userPlaceholder)
	}
}

func (c Config) validateEvents(fault func(string, ...any)) {
	for key, list := range map[string][]string{"busy": c.Busy, "away": c.Away} {
		for i, kind := range list {
			if _, known := kinds[kind]; !known {
				fault("%s: %q must be opaque, all-day or out-of-office", key, kind)
			} else if slices.Contains(list[:i], kind) || key == "away" && slices.Contains(c.Busy, kind) {
				fault("%s: %s is there twice, or in both lists", key, kind)
			}
		}
	}
	if c.Tentative != TentativeNothing && c.Tentative != TentativeBusy {
		fault("tentative: %q must be %s or %s", c.Tentative, TentativeNothing, TentativeBusy)
	}
	if !slices.Contains([]string{MessageNone, MessageKind, MessageTitle}, c.Message) {
		fault("message: %q must be %s, %s or %s", c.Message, MessageNone, MessageKind, MessageTitle)
	}
	if _, err := zoneOf(c.TimeZone); err != nil {
		fault("time_zone: %w", err)
	}
}

// Warnings tells what is accepted but unwise.
func (c Config) Warnings() []string {
	var all []string
	if c.InsecureSkipVerify {
		all = append(all, "calendar.insecure_skip_verify is set: anybody on the way to the CalDAV server can read the password and the calendars")
	}
	if address, err := parseAddress(c.URL); err == nil && isPlain(address) {
		all = append(all, "calendar.url: it begins with http: anybody on the way can read the password and the calendars")
	}
	for i, entry := range c.ICS {
		if address, err := parseAddress(entry.URL.Reveal()); err == nil && isPlain(address) {
			all = append(all, setting.Entry("calendar.ics", i, entry.User)+": url: it begins with http: anybody on the way can read the calendar")
		}
	}
	return all
}

// isPlain reports whether an address is used over a network without TLS.
func isPlain(address *url.URL) bool {
	ip := net.ParseIP(address.Hostname())
	return address.Scheme == "http" && address.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// parseAddress reads an address. Its error does not contain it.
func parseAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "https" && address.Scheme != "http" || address.Hostname() == "" || address.Fragment != "" {
		return nil, errors.New("it must be an address that begins with https://")
	}
	return address, nil
}

// zoneOf returns the zone of a name, the machine's if it is empty.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Berlin", name)
	}
	return zone, nil
}
