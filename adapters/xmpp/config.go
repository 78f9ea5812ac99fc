package xmpp

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The ways to encrypt the connection. There is none without.
const (
	StartTLS  = "starttls" // connect in plain text, then switch (RFC 6120, 5); refused if the server cannot
	DirectTLS = "direct"   // TLS from the first byte (XEP-0368)
)

// How large the files may be that the configuration names, in bytes. The certificates that a system trusts have a quarter of a
// megabyte.
const (
	maxPasswordFile = 4096
	maxCAFile       = 4 << 20
)

// Config is the section "xmpp" of the configuration.
type Config struct {
	JID                string            `koanf:"jid" help:"the account that watches, e.g. presence@example.test"`
	Password           string            `koanf:"password" help:"its password" secret:"true"`
	PasswordFile       string            `koanf:"password_file" help:"a file that holds the password, instead of password"`
	Host               string            `koanf:"host" help:"host or host:port of the server, instead of the DNS SRV records of the jid's domain"`
	TLS                string            `koanf:"tls" help:"starttls, or direct (TLS from the first byte)"`
	CAFile             string            `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	InsecureSkipVerify bool              `koanf:"insecure_skip_verify" help:"accept any certificate: anybody on the way can read the password"`
	StripDomain        bool              `koanf:"strip_domain" help:"take every account for one of the jid's domain, whatever host it is on"`
	DomainMap          map[string]string `koanf:"domain_map" help:"XMPP host to users' domain, e.g. chat.example.test: example.test; these hosts are trusted like the jid's own"`
	AllowDomains       []string          `koanf:"allow_domains" help:"XMPP hosts whose users' subscription requests are approved and returned"`
	StaleAfter         time.Duration     `koanf:"stale_after" help:"how long presences are kept while the server cannot be reached"`
	SweepAfter         time.Duration     `koanf:"sweep_after" help:"how long after connecting to wait for those who are still online"`
}

// DefaultConfig returns the configuration of an adapter of which nothing is set: valid but for the missing account.
func DefaultConfig() Config {
	return Config{TLS: StartTLS, StaleAfter: 60 * time.Second, SweepAfter: 10 * time.Second}
}

// Validate returns every fault, each naming its key. It reads the files that the configuration names.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("xmpp."+format, args...)) }

	if c.JID == "" {
		fault("jid: it is missing: the account that watches, e.g. presence@example.test")
	} else if _, err := parseAccount(c.JID); err != nil {
		fault("jid: %w", err)
	}
	switch {
	case c.Password == "" && c.PasswordFile == "":
		fault("password: it is missing: set it, or password_file")
	case c.Password != "" && c.PasswordFile != "":
		fault("password: set either this or password_file, not both")
	default:
		if _, err := c.password(); err != nil {
			faults = append(faults, err)
		}
	}
	if _, err := c.roots(); err != nil {
		faults = append(faults, err)
	}
	if c.Host != "" {
		if _, _, err := splitHostPort(c.Host, "0"); err != nil {
			fault("host: %w", err)
		}
	}
	if c.TLS != StartTLS && c.TLS != DirectTLS {
		fault("tls: %q must be %s or %s", c.TLS, StartTLS, DirectTLS)
	}
	if c.CAFile != "" && c.InsecureSkipVerify {
		fault("insecure_skip_verify: it makes ca_file useless: remove one of them")
	}
	seen := make(map[string]string, len(c.DomainMap))
	for _, host := range sortedKeys(c.DomainMap) {
		if err := checkHost(host); err != nil {
			fault("domain_map: %w", err)
		}
		if same, twice := seen[lower(host)]; twice {
			fault("domain_map: %s and %s are one host: remove one of them", same, host)
		}
		seen[lower(host)] = host
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

// password returns the password, from its file if there is one.
func (c Config) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	text, err := readFile(c.PasswordFile, maxPasswordFile)
	if err != nil {
		return "", fmt.Errorf("xmpp.password_file: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("xmpp.password_file: %s: it is empty", c.PasswordFile)
	}
	if strings.ContainsAny(password, "\r\n") {
		return "", fmt.Errorf("xmpp.password_file: %s: it has more than one line", c.PasswordFile)
	}
	return password, nil
}

// roots returns the certificates to trust: nil for the system's.
func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	text, err := readFile(c.CAFile, maxCAFile)
	if err != nil {
		return nil, fmt.Errorf("xmpp.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("xmpp.ca_file: %s: there is no PEM certificate in it", c.CAFile)
	}
	return roots, nil
}

// readFile returns what a file holds, and reads no more than that it is longer than it may be.
func readFile(name string, most int64) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the administrator says which
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: it is longer than %d bytes", name, most)
	}
	return text, err
}

// splitHostPort splits host, host:port, an IP address or [IPv6]:port.
func splitHostPort(s, defaultPort string) (host, port string, err error) {
	if address, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return address.String(), defaultPort, nil
	}
	host, port = s, defaultPort
	if strings.Contains(s, ":") {
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", fmt.Errorf("%q is not host or host:port", s)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", "", fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
		}
	}
	if _, err := netip.ParseAddr(host); err != nil {
		if err := checkHost(host); err != nil {
			return "", "", err
		}
	}
	return host, port, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
