package command

import (
	"cmp"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

const (
	// defaultFile is read if no other is named and it is there.
	defaultFile = "/etc/zarafa-presence/zarafa-presence.yaml"

	envConfig = "PRESENCE_CONFIG" // the configuration file
	envToken  = "PRESENCE_TOKEN"
	envURL    = "PRESENCE_URL" // where the daemon is
)

// settings reads the configuration. What is wrong with it is a usage error.
func (c *cli) settings(command *cobra.Command) (*wiring.Settings, error) {
	file := cmp.Or(c.file, c.env[envConfig])
	if file == "" {
		if _, err := os.Stat(defaultFile); !errors.Is(err, fs.ErrNotExist) {
			file = defaultFile
		}
	}
	settings, err := wiring.Load(config.Input{
		File:        file,
		Environ:     c.environ,
		ReservedEnv: []string{envConfig, envToken, envURL},
		Flags:       command.Flags(),
	}, c.protocols)
	return settings, coded(exitUsage, err)
}
