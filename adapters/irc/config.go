package irc

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// Config is the section of the protocol in the configuration.
type Config struct {
	Host               string         `koanf:"host" help:"host:port of the server"`
	TLS                string         `koanf:"tls" help:"direct (TLS from the first byte), or none" choice:"direct,none"`
	Roots              setting.Roots  `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	InsecureSkipVerify bool           `koanf:"insecure_skip_verify" help:"accept any certificate: anybody on the way can read the password"`
	Nick               string         `koanf:"nick" help:"the nick of the daemon, and its account if sasl is plain; if it is taken the daemon takes a similar one"`
	Password           setting.Secret `koanf:"password" help:"the password of the account if sasl is plain, else of the server, if it wants one"`
	SASL               string         `koanf:"sasl" help:"how to log in to an account: plain, or none" choice:"none,plain"`
	Domain             string         `koanf:"domain" help:"the domain of the nicks in watch that have no identity: the nick alice is alice@domain"`
	Watch              []string       `koanf:"watch" help:"nicks to watch besides those of identities"`
	RequireAccount     bool           `koanf:"require_account" help:"ignore whoever is not logged in to the services account of the nick, because anybody can take a nick"`
	BusyPattern        string         `koanf:"busy_pattern" help:"who is away with such a text is busy (a regular expression, RE2); empty: nobody"`
	PollEvery          time.Duration  `koanf:"poll_every" help:"how often the server is asked for what it does not tell by itself"`
	StaleAfter         time.Duration  `koanf:"stale_after" help:"how long presences are kept while the server cannot be reached"`
}

// The values of Config.TLS and Config.SASL.
const (
	tlsDirect = "direct"
	tlsNone   = "none"
	saslPlain = "plain"
	saslNone  = "none"
)

// DefaultConfig returns the configuration if nothing is set: valid but for the missing host.
func DefaultConfig() Config {
	return Config{
		TLS: tlsDirect, Nick: "presence", SASL: saslNone, RequireAccount: true,
		BusyPattern: `(?i)\b(busy|dnd|meeting|call)\b`,
		PollEvery:   30 * time.Second, StaleAfter: time.Minute,
	}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	check := func(holds bool, format string, args ...any) {
		if !holds {
			faults = append(faults, fmt.Errorf(Protocol.String()+"."+format, args...))
		}
	}
	host, port, err := net.SplitHostPort(c.Host)
	check(err == nil && host != "" && port != "", "host: %q is not host:port, e.g. irc.example.test:6697", c.Host)
	check(c.TLS == tlsDirect || c.TLS == tlsNone, "tls: %q must be %s or %s", c.TLS, tlsDirect, tlsNone)
	check(c.Roots.File == "" || !c.InsecureSkipVerify, "insecure_skip_verify: it makes ca_file useless: remove one of them")
	check(isNick(c.Nick), "nick: %q is no nick", c.Nick)
	check(!strings.ContainsAny(c.Password.Reveal(), "\r\n\x00"), "password: it has more than one line")
	check(c.SASL == saslPlain || c.SASL == saslNone, "sasl: %q must be %s or %s", c.SASL, saslPlain, saslNone)
	check(c.SASL != saslPlain || !c.Password.IsZero(), "password: it is missing: sasl needs it, or password_file")
	check(c.Domain != "" || len(c.Watch) == 0, "domain: it is missing: the nick alice in watch is alice@domain")
	if c.Domain != "" {
		_, err := domain.NewUserID("nick", c.Domain)
		check(err == nil, "domain: %q is no domain", c.Domain)
	}
	for _, nick := range c.Watch {
		_, err := domain.NewUserID(nick, "example.test")
		check(isNick(nick) && err == nil, "watch: %q is no nick that can be a user's", nick)
	}
	_, err = regexp.Compile(c.BusyPattern)
	check(err == nil, "busy_pattern: %v", err)
	check(c.PollEvery > 0, "poll_every: %v must be positive", c.PollEvery)
	check(c.StaleAfter > 0, "stale_after: %v must be positive", c.StaleAfter)
	return errors.Join(faults...)
}

// Warnings returns what is accepted but unwise.
func (c Config) Warnings() (warnings []string) {
	warn := func(text string) { warnings = append(warnings, Protocol.String()+"."+text) }
	if c.TLS == tlsNone && !c.Password.IsZero() {
		warn("tls is none: anybody on the way to the IRC server can read the password")
	}
	if c.InsecureSkipVerify {
		warn("insecure_skip_verify is set: anybody on the way to the IRC server can read the password")
	}
	if !c.RequireAccount {
		warn("require_account is false: anybody who takes a user's nick is shown as the user")
	}
	return warnings
}

// longestNick is far more than servers allow, in bytes.
const longestNick = 64

// isNick reports whether a server could have such a nick: it is one word, and nothing in it means something else in a command.
func isNick(nick string) bool {
	return nick != "" && len(nick) <= longestNick && !strings.ContainsRune(":#&+-$~0123456789", rune(nick[0])) &&
		!strings.ContainsFunc(nick, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(",!@*?=:", r) })
}
