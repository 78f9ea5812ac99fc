package spreed

import (
	"fmt"
	"time"
)

// Config is the section spreed of the configuration.
type Config struct {
	Enabled         bool          `koanf:"enabled" help:"let web-meeting clients report their users"`
	AutoUnavailable time.Duration `koanf:"auto_unavailable" help:"how long after a user's last update the user becomes unavailable"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Enabled: true, AutoUnavailable: 2 * time.Minute} }

// On says whether the protocol is on.
func (c Config) On() bool { return c.Enabled }

// Validate refuses a time in which no client could report.
func (c Config) Validate() error {
	if c.AutoUnavailable < minAutoUnavailable {
		return fmt.Errorf("spreed.auto_unavailable: must be at least %v, e.g. 2m; it is %v", minAutoUnavailable, c.AutoUnavailable)
	}
	return nil
}

// minAutoUnavailable is the shortest time in which a client can repeat its report over a network.
const minAutoUnavailable = time.Second
