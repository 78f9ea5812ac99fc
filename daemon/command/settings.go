package command

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// addKeys gives a command a flag for every configuration key. For one that needs few of them they are not listed.
func (c *cli) addKeys(command *cobra.Command, listed bool) *cobra.Command {
	keys := pflag.NewFlagSet("", pflag.ContinueOnError)
	if err := config.AddFlags(keys, wiring.Sections(c.protocols)...); err != nil {
		panic(err) // Run has looked
	}
	keys.VisitAll(func(flag *pflag.Flag) { flag.Hidden = !listed })
	command.Flags().AddFlagSet(keys)
	return command
}

// settings reads the configuration. What is wrong with it is a usage error.
func (c *cli) settings(command *cobra.Command) (*wiring.Settings, error) {
	file := cmp.Or(c.file, c.getenv(envConfig))
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

// getenv returns the last value of a variable.
func (c *cli) getenv(name string) string {
	for _, entry := range slices.Backward(c.environ) {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}
