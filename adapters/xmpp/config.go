package xmpp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/setting"
)

// The ways to encrypt the connection. There is none without.
const (
	StartTLS  = "starttls" // connect in plain text, then switch (RFC 6120, 5); refused if the server cannot
	DirectTLS = "direct"   // TLS from the first byte (XEP-0368)
)

// Config is the section "xmpp" of the configuration.
type Config struct {
	JID                string            `koanf:"jid" help:"the account that watches, e.g. presence@example.test"`
	Password           setting.Secret    `koanf:"password" help:"its password"`
	Host               string            `koanf:"host" help:"host or host:port of the server, instead of the DNS SRV records of the jid's domain"`
	TLS                string            `koanf:"tls" help:"starttls, or direct (TLS from the first byte)" choice:"starttls,direct"`
	Roots              setting.Roots     `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	InsecureSkipVerify bool              `koanf:"insecure_skip_verify" help:"accept any certificate: anybody on the way can read the password"`
	StripDomain        bool              `koanf:"strip_domain" help:"take every account for one of the jid's domain, whatever host it is on"`
	DomainMap          map[string]string `koanf:"domain_map" help:"XMPP host to users' domain, e.g. chat.example.test: example.test; these hosts are trusted like the jid's own"`
	AllowDomains       []string          `koanf:"allow_domains" help:"XMPP hosts whose users' subscription requests are approved and returned"`
	StaleAfter         time.Duration     `koanf:"stale_after" help:"how long presences are kept while the server cannot be reached"`
	SweepAfter         time.Duration     `koanf:"sweep_after" help:"how long after connecting, and after the last who came back, to wait for those who are still online"`
}

// DefaultConfig returns the configuration if nothing is set: valid but for the missing account.
func DefaultConfig() Config {
	return Config{TLS: StartTLS, StaleAfter: 60 * time.Second, SweepAfter: 10 * time.Second}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("xmpp."+format, args...)) }
	if c.JID == "" {
		fault("jid: it is missing: the account that watches, e.g. presence@example.test")
	} else if _, err := parseAccount(c.JID); err != nil {
		fault("jid: %w", err)
	}
	if c.Password.IsZero() {
		fault("password: it is missing: set it, or password_file")
	} else if strings.ContainsAny(c.Password.Reveal(), "\r\n") {
		fault("password: it has more than one line")
	}
	if c.Host != "" {
		if _, _, err := splitHostPort(c.Host, "5222"); err != nil {
			fault("host: %w", err)
		}
	}
	if c.TLS != StartTLS && c.TLS != DirectTLS {
		fault("tls: %q must be %s or %s", c.TLS, StartTLS, DirectTLS)
	}
	if c.Roots.File != "" && c.InsecureSkipVerify {
		fault("insecure_skip_verify: it makes ca_file useless: remove one of them")
	}
	seen := make(map[string]string, len(c.DomainMap))
	for _, host := range slices.Sorted(maps.Keys(c.DomainMap)) {
		if err := checkHost(host); err != nil {
			fault("domain_map: %w", err)
		}
		if same, twice := seen[strings.ToLower(host)]; twice {
			fault("domain_map: %s and %s are one host: remove one of them", same, host)
		}
		seen[strings.ToLower(host)] = host
		if err := checkHost(c.DomainMap[host]); err != nil {
			fault("domain_map: %s: %w", host, err)
		}
	}
	for _, host := range c.AllowDomains {
		if err := checkHost(host); err != nil {
			fault("allow_domains: %w", err)
		}
	}
	if c.StaleAfter <= 0 {
		fault("stale_after: %v must be positive", c.StaleAfter)
	}
	if c.SweepAfter < 0 {
		fault("sweep_after: %v must not be negative", c.SweepAfter)
	}
	return errors.Join(faults...)
}

// Warnings returns what is accepted but unwise.
func (c Config) Warnings() (warnings []string) {
	if c.InsecureSkipVerify {
		warnings = append(warnings, "xmpp.insecure_skip_verify is set: anybody on the way to the XMPP server can read the password")
	}
	return warnings
}

// splitHostPort splits host, host:port, an IP address or [IPv6]:port.
func splitHostPort(s, defaultPort string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(s); err != nil { // without a port
		host, port = strings.Trim(s, "[]"), defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return host, port, checkHost(host)
	}
	return host, port, nil
}
