package command

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/memory"
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
once. SIGHUP opens log.file again. If a service manager waits for it (NOTIFY_SOCKET), it is told when requests are served.

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
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

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
	log.Info("starting", "version", versionText())
	daemon, err := wiring.New(settings, log)
	if err == nil {
		err = daemon.Start(context.Background())
	}
	if err != nil {
		return wayOut(err, quickstart)
	}
	err = untilStopped(daemon, logging, hangup, func() error {
		log.Info("started", "protocols", settings.Enabled(), "store", settings.Store.Name())
		c.notify("READY=1", log)
		if quickstart == "" {
			return nil
		}
		return printQuickstart(command, settings, daemon.URL())
	})
	c.notify("STOPPING=1", log)
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
	settings, err := c.settings(command)
	if err == nil {
		err = coded(exitUsage, settings.Validate())
	}
	return settings, err
}

// untilStopped returns when the daemon is to be stopped: without an error because somebody wants it, else because it has failed. It calls ready
// when the store is loaded.
func untilStopped(daemon *wiring.Daemon, logging *wiring.Logging, hangup <-chan os.Signal, ready func() error) error {
	loaded, ended := daemon.Loaded(), daemon.Wait()
	for {
		select {
		case <-loaded:
			loaded = nil
			if err := ready(); err != nil {
				return err
			}
		case end := <-ended:
			if err := daemon.Err(); err != nil {
				return err
			}
			if loaded != nil {
				logging.Logger.Info("stopped before it was ready")
			}
			logging.Logger.Info("stopping", "signal", fmt.Sprint(end.Signal))
			return nil
		case <-hangup:
			if err := logging.Reopen(); err != nil {
				logging.Logger.Error("log.file cannot be opened again; the old one stays in use", "err", err)
			}
		}
	}
}

// notify tells the service manager what the daemon does, if it asks for it: one datagram to the socket that it names (sd_notify(3)).
// Failing to do so is no reason not to serve.
func (c *cli) notify(state string, log *slog.Logger) {
	name := c.env["NOTIFY_SOCKET"]
	if name == "" {
		return
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "unixgram", name)
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close() // a datagram has been sent or not
	}
	if err != nil {
		log.Warn("cannot notify the service manager", "err", err)
	}
}
