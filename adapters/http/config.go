package http

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/certificate"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/listen"
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/setting"
)

// Config is the section http of the configuration.
type Config struct {
	Listen                 string        `koanf:"listen" change:"restart" help:"where to listen: host:port (an empty host means every interface), or unix:/path/to/socket; not used if systemd passes a socket"`
	AdminListen            string        `koanf:"admin_listen" change:"restart" help:"if set, /metrics, /livez and /readyz are only there, and net/http/pprof too: host:port, unix:/path/to/socket, or a socket that systemd passes as admin; for operators, not for the network of the clients"`
	SocketMode             string        `koanf:"socket_mode" change:"restart" help:"mode of a Unix socket, in octal: who may connect"`
	TLSCertFile            string        `koanf:"tls_cert_file" help:"PEM file with the server's certificate and those between it and the authority's; set: TLS; read again when it changes"`
	TLSKeyFile             string        `koanf:"tls_key_file" help:"PEM file with the key of http.tls_cert_file; read again when it changes"`
	TLSClientCAFile        string        `koanf:"tls_client_ca_file" help:"PEM file with the authorities whose certificates clients have to show; empty: clients need none; read again when it changes"`
	MaxConnections         int           `koanf:"max_connections" help:"how many connections are served at once; further ones are refused with 503"`
	HeaderTimeout          time.Duration `koanf:"header_timeout" help:"how long a client may take to send the header of a request"`
	ReadTimeout            time.Duration `koanf:"read_timeout" help:"how long a client may take to send the body of a request"`
	WriteTimeout           time.Duration `koanf:"write_timeout" help:"how long a client may take to receive an answer"`
	IdleTimeout            time.Duration `koanf:"idle_timeout" help:"how long a connection is kept open between two requests"`
	AnonymousTimeout       time.Duration `koanf:"anonymous_timeout" help:"how long a connection is kept idle that has not shown a valid token yet"`
	MaxStreams             int           `koanf:"max_streams" help:"how many event streams there may be, beside max_connections; further ones are refused with 503"`
	MaxAnonymousPerAddress int           `koanf:"max_anonymous_per_address" help:"how many connections one address may have that have not shown a valid token yet; trusted proxies may have more"`
	MaxStreamsPerUser      int           `koanf:"max_streams_per_user" help:"how many event streams one user may have; services may have more"`
	MaxWatchedPerUser      int           `koanf:"max_watched_per_user" help:"how many users one user may list in all its event streams together; services may list more"`
	TrustedProxies         []string      `koanf:"trusted_proxies" help:"addresses and networks of the proxies in front, such as 127.0.0.1 and 10.0.0.0/8; X-Forwarded-For of theirs is believed"`
	MaxBodies              setting.Size  `koanf:"max_bodies" help:"how much memory the bodies of requests take that are larger than 8 KiB, all together; further ones are refused with 503"`
	MaxAnswer              setting.Size  `koanf:"max_answer" help:"the largest answer about users; what would be larger is refused with 413"`
	MaxHeader              setting.Size  `koanf:"max_header" help:"the largest header of a request; each connection has a buffer of this size"`
	RatePerUser            int           `koanf:"rate_per_user" help:"how many requests a second one user may make, further ones are refused with 429; services and static keys may make more; 0 is no limit"`
	RatePerAddress         int           `koanf:"rate_per_address" help:"how many requests a second of one address may be refused that have shown no valid token, before they are refused with 429; 0 is no limit"`
	CORSOrigins            []string      `koanf:"cors_origins" help:"the origins of web pages that may use API v1, such as https://intranet.example.test; * is every page; empty is none but our own"`
	FrameAncestors         []string      `koanf:"frame_ancestors" help:"the origins of web pages that may show the board inside themselves, in a frame; empty is none"`

	userHeader string // see NameUsersBy
}

// NameUsersBy sets the name of the header in which trusted proxies name the user who has signed in: auth.proxy_header, which stands in another section.
func (c *Config) NameUsersBy(header string) { c.userHeader = header }

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Listen:                 "127.0.0.1:1234",
		SocketMode:             "0660",
		MaxConnections:         10_000,
		HeaderTimeout:          5 * time.Second,
		ReadTimeout:            20 * time.Second,
		WriteTimeout:           20 * time.Second,
		IdleTimeout:            time.Minute,
		AnonymousTimeout:       5 * time.Second,
		MaxStreams:             8_000,
		MaxAnonymousPerAddress: 100,
		MaxStreamsPerUser:      50,
		MaxWatchedPerUser:      50_000,
		RatePerUser:            100,
		RatePerAddress:         50,
		MaxBodies:              64 * setting.MiB,
		MaxAnswer:              64 * setting.MiB,
		MaxHeader:              16 * setting.KiB,
	}
}

// The limits of Config.MaxHeader. With less, usual requests of browsers do not fit.
const (
	minHeader = 4 * setting.KiB
	maxHeader = setting.MiB
)

// maxRate is the largest limit on requests a second. No machine serves more.
const maxRate = 1_000_000

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	return errors.Join(slices.Concat(
		c.validateListener(),
		c.validateProxies(),
		c.validateNaming(),
		c.validateCounts(),
		c.validateSizes(),
		c.validateTimeouts(),
		v1.CORS(c.CORSOrigins).Validate(),
		c.validateAncestors(),
	)...)
}

// validateListener is about where to listen, and how.
func (c Config) validateListener() (faults []error) {
	address, err := listen.Parse(c.Listen)
	if err != nil {
		faults = append(faults, fmt.Errorf("http.listen: %w", err))
	}
	if c.AdminListen != "" {
		if _, err := listen.Parse(c.AdminListen); err != nil {
			faults = append(faults, fmt.Errorf("http.admin_listen: %w", err))
		}
	}
	if _, err := listen.ParseMode(c.SocketMode); err != nil {
		faults = append(faults, fmt.Errorf("http.socket_mode: %w; it is %q", err, c.SocketMode))
	}
	if address.Network == listen.Unix && c.tlsFiles().On() {
		faults = append(faults, errors.New("http.tls_cert_file: there is no TLS on a Unix socket, which http.listen names"))
	}
	return append(faults, c.tlsFiles().Validate())
}

func (c Config) validateProxies() (faults []error) {
	_, unknown := conn.ParseProxies(c.TrustedProxies)
	for _, err := range unknown {
		faults = append(faults, fmt.Errorf("http.trusted_proxies: %w", err))
	}
	return faults
}

// validateNaming is about proxies that name users: it must be clear which, and no page of somebody else may act for the user.
func (c Config) validateNaming() (faults []error) {
	if c.userHeader == "" {
		return nil
	}
	address, _ := listen.Parse(c.Listen)
	if len(c.TrustedProxies) == 0 && address.Network != listen.Unix {
		faults = append(faults, errors.New("auth.proxy_header: it needs http.trusted_proxies, the addresses of the proxies that may name users"))
	}
	for _, proxy := range c.TrustedProxies {
		if prefix, err := netip.ParsePrefix(proxy); err == nil && prefix.Bits() == 0 {
			faults = append(faults, fmt.Errorf("http.trusted_proxies: %s is everybody, and with auth.proxy_header they could say that they are anybody", proxy))
		}
	}
	if slices.Contains(c.CORSOrigins, "*") {
		faults = append(faults, errors.New("http.cors_origins: * lets every page of the world read what the proxy has signed its user in for (auth.proxy_header): list the origins"))
	}
	return faults
}

// validateCounts is about limits on how many there are of something, or in a second.
func (c Config) validateCounts() (faults []error) {
	for _, limit := range []struct {
		key   string
		value int
	}{
		{"max_connections", c.MaxConnections},
		{"max_streams", c.MaxStreams},
		{"max_streams_per_user", c.MaxStreamsPerUser},
		{"max_watched_per_user", c.MaxWatchedPerUser},
		{"max_anonymous_per_address", c.MaxAnonymousPerAddress},
	} {
		if limit.value < 1 {
			faults = append(faults, fmt.Errorf("http.%s: must be at least 1; it is %d", limit.key, limit.value))
		}
	}
	for _, rate := range []struct {
		key   string
		value int
	}{{"rate_per_user", c.RatePerUser}, {"rate_per_address", c.RatePerAddress}} {
		if rate.value < 0 || rate.value > maxRate {
			faults = append(faults, fmt.Errorf("http.%s: must be from 1 to %d, or 0 for no limit; it is %d", rate.key, maxRate, rate.value))
		}
	}
	return faults
}

// validateSizes is about limits on bytes.
func (c Config) validateSizes() (faults []error) {
	if c.MaxBodies < 2*body.Max {
		faults = append(faults, fmt.Errorf("http.max_bodies: must be at least %v, twice the largest body; it is %v", setting.Size(2*body.Max), c.MaxBodies))
	}
	if c.MaxAnswer < setting.MiB {
		faults = append(faults, fmt.Errorf("http.max_answer: must be at least %v; it is %v", setting.MiB, c.MaxAnswer))
	}
	if c.MaxHeader < minHeader || c.MaxHeader > maxHeader {
		faults = append(faults, fmt.Errorf("http.max_header: must be from %v to %v; it is %v", minHeader, maxHeader, c.MaxHeader))
	}
	return faults
}

func (c Config) validateTimeouts() (faults []error) {
	for _, timeout := range []struct {
		key   string
		value time.Duration
	}{
		{"header_timeout", c.HeaderTimeout},
		{"read_timeout", c.ReadTimeout},
		{"write_timeout", c.WriteTimeout},
		{"idle_timeout", c.IdleTimeout},
		{"anonymous_timeout", c.AnonymousTimeout},
	} {
		if timeout.value <= 0 {
			faults = append(faults, fmt.Errorf("http.%s: must be more than zero, e.g. 20s; it is %v", timeout.key, timeout.value))
		}
	}
	return faults
}

// validateAncestors is about who may show the board inside a page. There is no * for everybody: what a person clicks on there would not be what it
// seems to be.
func (c Config) validateAncestors() (faults []error) {
	for _, origin := range c.FrameAncestors {
		if strings.Contains(origin, "[") { // no host-source of CSP has one
			faults = append(faults, fmt.Errorf("http.frame_ancestors: %q: browsers know no IPv6 addresses there, so it must be a name", origin))
		}
	}
	return append(faults, v1.ValidateOrigins("http.frame_ancestors", c.FrameAncestors)...)
}

// limits returns the limits of connections. The configuration is a valid one.
func (c Config) limits() conn.Limits {
	proxies, _ := conn.ParseProxies(c.TrustedProxies)
	return conn.Limits{
		Connections:         c.MaxConnections,
		Streams:             c.MaxStreams,
		AnonymousPerAddress: c.MaxAnonymousPerAddress,
		AnonymousTimeout:    c.AnonymousTimeout,
		Rates:               conn.Rates{PerUser: c.RatePerUser, PerAddress: c.RatePerAddress},
		Proxies:             proxies,
		UserHeader:          c.userHeader,
	}
}

func (c Config) tlsFiles() certificate.Files {
	return certificate.Files{Certificate: c.TLSCertFile, Key: c.TLSKeyFile, ClientCA: c.TLSClientCAFile}
}

// KeepTLS gives c the files of TLS that another configuration names if one of the two has no TLS: only a start turns it on or off. It returns the
// names of the keys that are kept.
func (c *Config) KeepTLS(before Config) (kept []string) {
	if c.tlsFiles().On() == before.tlsFiles().On() {
		return nil
	}
	for _, key := range []struct {
		name       string
		next, kept *string
	}{
		{"http.tls_cert_file", &c.TLSCertFile, &before.TLSCertFile},
		{"http.tls_key_file", &c.TLSKeyFile, &before.TLSKeyFile},
		{"http.tls_client_ca_file", &c.TLSClientCAFile, &before.TLSClientCAFile},
	} {
		if *key.next != *key.kept {
			*key.next = *key.kept
			kept = append(kept, key.name)
		}
	}
	return kept
}

// URL returns where a daemon with this configuration is to be found from this machine: http://host:port/, or https, or unix: and a path.
func (c Config) URL() (string, error) {
	address, err := listen.Parse(c.Listen)
	return address.URL(c.tlsFiles().On()), err
}

// ClientTLS returns with which settings clients on this machine reach a daemon with this configuration, or nil if it has no TLS.
func (c Config) ClientTLS() (*tls.Config, error) {
	if !c.tlsFiles().On() {
		return nil, nil
	}
	return c.tlsFiles().ForClients()
}
