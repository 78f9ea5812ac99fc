package irc

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// maxPollEvery leaves enough of the 30 seconds within which a source has to notice that its server has fallen silent.
const maxPollEvery = 20 * time.Second

// Config is the section irc of the configuration.
type Config struct {
	Host       string         `koanf:"host" help:"host:port of the server, which speaks TLS there from the first byte"`
	Roots      setting.Roots  `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	Nick       string         `koanf:"nick" help:"the nick of the daemon"`
	Password   setting.Secret `koanf:"password" help:"the server's password, if it wants one"`
	Domain     string         `koanf:"domain" help:"the users' domain: the nick alice is alice@domain"`
	Watch      []string       `koanf:"watch" help:"the nicks to watch"`
	PollEvery  time.Duration  `koanf:"poll_every" help:"how often the server is asked"`
	StaleAfter time.Duration  `koanf:"stale_after" help:"how long presences are kept while the server cannot be reached"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Nick: "presence", PollEvery: 15 * time.Second, StaleAfter: time.Minute}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	check := func(holds bool, format string, args ...any) {
		if !holds {
			faults = append(faults, fmt.Errorf("irc."+format, args...))
		}
	}
	isNick := func(nick string) bool { _, err := domain.NewUserID(nick, "example.test"); return err == nil }
	_, _, err := net.SplitHostPort(c.Host)
	check(err == nil, "host: %q is not host:port, e.g. irc.example.test:6697", c.Host)
	check(isNick(c.Nick), "nick: %q is no nick", c.Nick)
	_, err = domain.NewUserID("nick", c.Domain)
	check(err == nil, "domain: %q is no domain", c.Domain)
	for _, nick := range c.Watch {
		check(isNick(nick), "watch: %q is no nick", nick)
	}
	check(c.PollEvery > 0 && c.PollEvery <= maxPollEvery, "poll_every: %v must be more than zero and at most %v", c.PollEvery, maxPollEvery)
	check(c.StaleAfter > 0, "stale_after: %v must be more than zero", c.StaleAfter)
	return errors.Join(faults...)
}
