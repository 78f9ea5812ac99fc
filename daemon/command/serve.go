package command

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/memory"
	"github.com/zarafa/presence/daemon/internal/processors"
	"github.com/zarafa/presence/daemon/internal/systemd"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

// stopTime is how long the end may take.
const stopTime = 1800 * time.Millisecond

func (c *cli) serve() *cobra.Command {
	var quickstart string
	command := &cobra.Command{
		Use:   "serve [--config FILE] [flags]",
		Short: "Run the daemon",
		Long: `Runs the daemon in the foreground until SIGTERM or SIGINT, which end it within two seconds; a second one ends it at
once. SIGHUP reads the configuration anew: what can change while the daemon runs does, what cannot is named in the log and kept,
and a faulty configuration changes nothing. It also opens log.file again. If a service manager wants to know (NOTIFY_SOCKET), it
is told when requests are served, and how the daemon is doing.

With --quickstart DIR nothing has to be configured: no file is read, a secret is made once and kept in DIR/secret, readable
only by you, presences are kept in DIR/store, and commands to try are printed.`,
		Example: "  zarafa-presence serve --config /etc/zarafa-presence/zarafa-presence.yaml\n  zarafa-presence serve --quickstart ./run",
		Args:    noArguments,
		RunE:    func(command *cobra.Command, _ []string) error { return c.runServe(command, quickstart) },
	}
	command.Flags().StringVar(&quickstart, "quickstart", "", "try the daemon without a configuration: keep a new secret, and presences, in this `DIR`")
	return command
}

func (c *cli) runServe(command *cobra.Command, quickstart string) error {
	settings, err := c.serveSettings(command, quickstart)
	if err != nil {
		return err
	}
	logging, err := wiring.OpenLog(settings.Log, command.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { _ = logging.Close() }() // nothing is left to be said, and nowhere to say it
	log := logging.Logger
	for _, warning := range settings.Warnings() {
		log.Warn(warning)
	}
	memory.SetLimit(log)
	processors.AddSpare(log)
	log.Info("starting", "version", versionText())
	daemon, err := wiring.New(settings, log)
	if err == nil {
		daemon.LogTo(logging)
		err = daemon.Start(context.Background())
	}
	if err != nil {
		return wayOut(err, quickstart)
	}
	s := &service{
		daemon: daemon, logging: logging, manager: systemd.New(c.env, log),
		read: func() (*wiring.Settings, error) { return c.validSettings(command) },
	}
	err = s.untilStopped(c.hangup, func() error {
		log.Info("started", "protocols", settings.Enabled(), "store", settings.Store.Name())
		if quickstart == "" {
			return nil
		}
		return printQuickstart(command, settings, quickstart, daemon.URL())
	})
	s.manager.Stopping()
	signal.Reset(syscall.SIGTERM, syscall.SIGINT) // a second one kills
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return cmp.Or(wayOut(err, quickstart), daemon.Stop(ctx))
}

// serveSettings reads and checks the configuration.
func (c *cli) serveSettings(command *cobra.Command, quickstart string) (*wiring.Settings, error) {
	if quickstart != "" && c.file != "" {
		return nil, usageError("--quickstart and --config exclude each other")
	}
	if quickstart != "" {
		c.file = os.DevNull // not the usual one
		if err := useQuickstart(command.Flags(), quickstart); err != nil {
			return nil, err
		}
	}
	return c.validSettings(command)
}

// validSettings reads and checks the configuration: the file as it is now, with the environment and the flags of the start over it.
func (c *cli) validSettings(command *cobra.Command) (*wiring.Settings, error) {
	settings, err := c.settings(command)
	if err == nil {
		err = coded(exitUsage, settings.Validate())
	}
	return settings, err
}
