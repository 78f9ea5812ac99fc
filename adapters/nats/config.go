package nats

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/zarafa/presence/setting"
)

// maxCredentials is the largest file of credentials that is read, in bytes.
const maxCredentials = 1 << 20

// Config is what the section store says about NATS.
type Config struct {
	URL         string        `koanf:"url" help:"the NATS servers that several daemons share, e.g. tls://nats1.example.test,tls://nats2.example.test" change:"restart"`
	Credentials string        `koanf:"credentials" help:"file with the NATS user's credentials (.creds)" change:"restart"`
	Roots       setting.Roots `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's" change:"restart"`
	Bucket      string        `koanf:"bucket" help:"the key-value bucket; daemons with the same one share their presences" change:"restart"`
	Replicas    int           `koanf:"replicas" help:"on how many servers of the cluster presences are kept: 1, 3 or 5" change:"restart"`
}

// DefaultConfig returns the defaults. URL has none.
func DefaultConfig() Config { return Config{Bucket: "presence", Replicas: 1} }

var bucketName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate names everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !bucketName.MatchString(c.Bucket) {
		fault("store.bucket: must be 1 to 64 letters, digits, hyphens and underscores, it is %q", c.Bucket)
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		fault("store.replicas: must be 1, 3 or 5, it is %d", c.Replicas)
	}
	if c.URL == "" {
		fault("store.url: is needed: the NATS servers, e.g. nats://nats1.example.test:4222")
	} else {
		for part := range strings.SplitSeq(c.URL, ",") {
			u, err := url.Parse(strings.TrimSpace(part))
			switch {
			case err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls":
				fault("store.url: must be nats://host:port or tls://host:port, several with commas between them")
			case u.User != nil:
				fault("store.url: holds a user; put that into a file and set store.credentials")
			}
		}
	}
	if c.Credentials != "" {
		if _, err := setting.ReadFile(c.Credentials, maxCredentials); err != nil {
			fault("store.credentials: %w", err)
		}
	}
	return errors.Join(faults...)
}
