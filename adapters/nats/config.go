package nats

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Config is what the section store says about NATS.
type Config struct {
	Dir         string        `koanf:"dir" help:"where presences are kept on this machine; empty: the service manager's state directory, else the user's"`
	Sync        string        `koanf:"sync" help:"when a write is on the disk: system (a killed process loses nothing, a power failure may lose seconds) or always"`
	URL         string        `koanf:"url" help:"join this NATS cluster instead of using dir, e.g. tls://nats1.example.test,tls://nats2.example.test"`
	Credentials string        `koanf:"credentials" help:"file with the NATS user's credentials (.creds)"`
	CAFile      string        `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	Bucket      string        `koanf:"bucket" help:"the key-value bucket; daemons with the same one share their presences"`
	Replicas    int           `koanf:"replicas" help:"on how many servers of the cluster presences are kept: 1, 3 or 5"`
	Retain      time.Duration `koanf:"retain" help:"a presence that nobody has updated for so long is removed"`
}

// The values of Config.Sync.
const (
	syncSystem = "system"
	syncAlways = "always"
)

// minRetain leaves time to renew what still holds.
const minRetain = 24 * time.Hour

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Sync: syncSystem, Bucket: "presence", Replicas: 1, Retain: 30 * 24 * time.Hour}
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate names everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Sync != syncSystem && c.Sync != syncAlways {
		fault("store.sync: must be %s or %s, it is %q", syncSystem, syncAlways, c.Sync)
	}
	if !bucketName.MatchString(c.Bucket) {
		fault("store.bucket: must be 1 to 64 letters, digits, hyphens and underscores, it is %q", c.Bucket)
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		fault("store.replicas: must be 1, 3 or 5, it is %d", c.Replicas)
	}
	if c.Retain < minRetain {
		fault("store.retain: must be at least %s, it is %s", minRetain, c.Retain)
	}
	if c.URL == "" {
		return errors.Join(append(faults, c.validateEmbedded()...)...)
	}
	for _, part := range strings.Split(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls":
			fault("store.url: must be nats://host:port or tls://host:port, several with commas between them")
		case u.User != nil:
			fault("store.url: holds a user; put that into a file and set store.credentials")
		}
	}
	for key, file := range map[string]string{"credentials": c.Credentials, "ca_file": c.CAFile} {
		if file == "" {
			continue
		}
		if f, err := os.Open(file); err != nil { //nolint:gosec // the administrator names it
			fault("store.%s: %w", key, err)
		} else {
			_ = f.Close()
		}
	}
	return errors.Join(faults...)
}

// validateEmbedded refuses what only means something with a URL.
func (c Config) validateEmbedded() []error {
	var faults []error
	if c.Replicas != 1 {
		faults = append(faults, errors.New("store.replicas: needs store.url: there is one copy in store.dir"))
	}
	if c.Credentials != "" {
		faults = append(faults, errors.New("store.credentials: needs store.url"))
	}
	if c.CAFile != "" {
		faults = append(faults, errors.New("store.ca_file: needs store.url"))
	}
	if _, err := c.Directory(); err != nil {
		faults = append(faults, fmt.Errorf("store.dir: %w", err))
	}
	return faults
}

// Directory returns where presences are kept without a URL: store.dir, else the directory that systemd has made for the service, else one below the
// user's state directory (XDG base directory specification).
func (c Config) Directory() (string, error) {
	if c.Dir != "" {
		return filepath.Abs(c.Dir)
	}
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return filepath.Join(dir, "store"), nil
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("must be set: there is no home directory to put it into: %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "zarafa-presence", "store"), nil
}
