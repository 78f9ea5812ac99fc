package command

import (
	"errors"
	"os"
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
	if err := wiring.AddFlags(keys, c.protocols); err != nil {
		panic(err) // Run has looked
	}
	keys.VisitAll(func(flag *pflag.Flag) {
		flag.Hidden = !listed
		command.Flags().AddFlag(flag)
	})
	return command
}

// settings reads the configuration. What is wrong with it is a usage error.
func (c *cli) settings(command *cobra.Command, file string) (*wiring.Settings, error) {
	settings, err := wiring.Load(config.Input{
		File:        file,
		Environ:     c.environ,
		ReservedEnv: []string{envConfig, envToken, envURL},
		Flags:       command.Flags(),
	}, c.protocols)
	return settings, coded(exitUsage, err)
}

// configFile is the file that is to be read, or nothing.
func (c *cli) configFile() string {
	if c.file != "" {
		return c.file
	}
	if file := c.getenv(envConfig); file != "" {
		return file
	}
	if _, err := os.Stat(defaultFile); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return defaultFile
}

func (c *cli) getenv(name string) string {
	value := ""
	for _, entry := range c.environ {
		if key, text, _ := strings.Cut(entry, "="); key == name {
			value = text
		}
	}
	return value
}
