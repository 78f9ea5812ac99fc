package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Config is what the section store says about this machine's disk.
type Config struct {
	Dir string `koanf:"dir" help:"where presences are kept on this machine; empty: the service manager's state directory, else the user's" change:"restart"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{} }

// Validate names everything that is wrong.
func (c Config) Validate() error {
	if _, err := c.Directory(); err != nil {
		return fmt.Errorf("store.dir: %w", err)
	}
	return nil
}

// Directory returns where presences are kept: store.dir, else the directory that systemd has made for the service, else one below the
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
