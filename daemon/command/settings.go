package command

import (
	"cmp"
	"errors"
	"fmt"
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
	if file == os.DevNull { // none
		file = ""
	}
	settings, err := wiring.Load(config.Input{
		File:        file,
		Environ:     c.environ,
		ReservedEnv: []string{envConfig, envToken, envURL},
		Flags:       command.Flags(),
	}, c.protocols)
	settings.Version = versionText()
	return settings, coded(exitUsage, err)
}

func (c *cli) check() *cobra.Command {
	var quiet bool
	command := &cobra.Command{
		Use:   "check [--config FILE] [--quiet] [flags]",
		Short: "Validate the configuration and print it",
		Long: `Validates the configuration and the files that it names as serve would, without using the network, and prints what is in
effect as YAML, with secrets masked. Whatever is wrong is listed, a line each, and the exit code is 2. Warnings do not change it.`,
		Example: "  zarafa-presence check --config /etc/zarafa-presence/zarafa-presence.yaml",
		Args:    noArguments,
		RunE:    func(command *cobra.Command, _ []string) error { return c.runCheck(command, quiet) },
	}
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "print warnings and faults only")
	return command
}

func (c *cli) runCheck(command *cobra.Command, quiet bool) error {
	settings, err := c.settings(command)
	if err != nil {
		return err
	}
	for _, warning := range settings.Warnings() {
		_, _ = fmt.Fprintln(command.ErrOrStderr(), "zarafa-presence: warning: "+warning)
	}
	if err = errors.Join(settings.Validate(), settings.InspectStore()); err == nil {
		_, err = wiring.New(settings, warnings(command))
	}
	if err != nil {
		return coded(exitUsage, err)
	}
	if quiet {
		return nil
	}
	return settings.WriteYAML(command.OutOrStdout())
}
