package asterisk

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/setting"
)

// What the keys tls, ringing and idle can be, besides each other's words.
const (
	tlsNone   = "none"   // plain text
	tlsDirect = "direct" // TLS from the first byte

	saysNothing   = "nothing"
	saysAvailable = "available"
	saysBusy      = "busy"
)

// Config is the section "asterisk" of the configuration.
type Config struct {
	Host               string         `koanf:"host" help:"host:port of Asterisk's manager interface (AMI)"`
	TLS                string         `koanf:"tls" help:"none, or direct (TLS from the first byte)" choice:"none,direct"`
	Roots              setting.Roots  `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	InsecureSkipVerify bool           `koanf:"insecure_skip_verify" help:"accept any certificate: anybody on the way can pretend to be Asterisk"`
	Username           string         `koanf:"username" help:"the account in manager.conf"`
	Password           setting.Secret `koanf:"password" help:"its secret in manager.conf"`
	Contexts           []string       `koanf:"contexts" help:"the contexts of the dialplan whose hints count"`
	Ringing            string         `koanf:"ringing" help:"what a telephone that only rings says: busy or available" choice:"busy,available"`
	Idle               string         `koanf:"idle" help:"what an idle telephone says: nothing or available" choice:"nothing,available"`
	RelistEvery        time.Duration  `koanf:"relist_every" help:"how often all hints are listed again, besides after a reload"`
	StaleAfter         time.Duration  `koanf:"stale_after" help:"how long presences are kept while Asterisk cannot be reached"`
}

// DefaultConfig returns the configuration if nothing is set: valid but for the missing password.
func DefaultConfig() Config {
	return Config{
		Host: "127.0.0.1:5038", TLS: tlsNone, Username: "presence", Contexts: []string{"default"},
		Ringing: saysBusy, Idle: saysNothing, RelistEvery: 5 * time.Minute, StaleAfter: time.Minute,
	}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("asterisk."+format, args...)) }
	if err := checkAddress(c.Host); err != nil {
		fault("host: %w", err)
	}
	if c.TLS != tlsNone && c.TLS != tlsDirect {
		fault("tls: %q must be %s or %s", c.TLS, tlsNone, tlsDirect)
	}
	if c.Roots.File != "" && c.InsecureSkipVerify {
		fault("insecure_skip_verify: it makes ca_file useless: remove one of them")
	}
	switch {
	case c.Username == "":
		fault("username: it is missing: the name of the account's section in manager.conf")
	case strings.ContainsAny(c.Username, "\r\n"):
		fault("username: it has more than one line")
	}
	switch {
	case c.Password.IsZero():
		fault("password: it is missing: set it, or password_file")
	case strings.ContainsAny(c.Password.Reveal(), "\r\n"):
		fault("password: it has more than one line")
	}
	if len(c.Contexts) == 0 {
		fault("contexts: it is empty: no hint would count")
	}
	for _, name := range c.Contexts {
		if name == "" || strings.ContainsAny(name, "@ \t\r\n") {
			fault("contexts: %q is no name of a context", name)
		}
	}
	if c.Ringing != saysBusy && c.Ringing != saysAvailable {
		fault("ringing: %q must be %s or %s", c.Ringing, saysBusy, saysAvailable)
	}
	if c.Idle != saysNothing && c.Idle != saysAvailable {
		fault("idle: %q must be %s or %s", c.Idle, saysNothing, saysAvailable)
	}
	if c.RelistEvery <= 0 {
		fault("relist_every: %v must be positive", c.RelistEvery)
	}
	if c.StaleAfter <= 0 {
		fault("stale_after: %v must be positive", c.StaleAfter)
	}
	return errors.Join(faults...)
}

// Warnings tells what is accepted but unwise.
func (c Config) Warnings() []string {
	switch host, _, err := net.SplitHostPort(c.Host); {
	case c.InsecureSkipVerify:
		return []string{"asterisk.insecure_skip_verify is set: anybody on the way can pretend to be Asterisk"}
	case c.TLS == tlsNone && err == nil && !isLoopback(host): // a host that is wrong is a fault, and may be this machine
		return []string{"asterisk.tls is none, and " + c.Host + " is another machine: anybody on the way can read who telephones"}
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// checkAddress wants host:port.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/@") {
		return fmt.Errorf("%q must be host:port, such as 127.0.0.1:5038", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port must be a number from 1 to 65535", address)
	}
	return nil
}
