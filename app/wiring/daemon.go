package wiring

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// stopWithin is how long a start that fails waits for what it has to stop. A store that does not end by then is left to the end of the
// process, which it is made to survive.
const stopWithin = 1500 * time.Millisecond

// Daemon is the whole of it, to be started and stopped once.
type Daemon struct {
	settings *Settings
	log      *slog.Logger
	app      *fx.App
	server   *http.Server
	work     *work
}

// New makes a daemon of settings that are valid. It opens no port and starts nothing, but it reads the files that hold secrets and
// certificates, so its error is what a start would fail with, the network apart: one sentence.
func New(settings *Settings, log *slog.Logger) (*Daemon, error) {
	d := &Daemon{settings: settings, log: log, work: newWork()}
	d.app = fx.New(options(settings, log, d.work), fx.Populate(&d.server))
	if err := d.app.Err(); err != nil {
		return nil, dig.RootCause(err)
	}
	return d, nil
}

// Start starts everything and returns when requests are served. While the store is being loaded they are answered with a request to come
// back. If it fails, or ctx ends before, what had been started is stopped again, for which it does not wait longer than stopWithin.
func (d *Daemon) Start(ctx context.Context) error {
	if err := d.app.Start(ctx); err != nil {
		return dig.RootCause(err)
	}
	if err := d.work.begin(ctx); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		_ = d.stop(stopping) // why it cannot start is of more interest
		return err
	}
	d.log.Info("started", "protocols", d.settings.General.Protocols, "store", d.settings.Store.Kind)
	return nil
}

// Addr is the address at which requests are served, after Start.
func (d *Daemon) Addr() net.Addr { return d.server.Addr() }

// Failed yields an error if the daemon cannot go on. It is to be stopped then.
func (d *Daemon) Failed() <-chan error { return d.work.failed }

// Stop ends everything and waits for it, at most until ctx ends.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.stop(ctx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	d.log.Info("stopped")
	return nil
}

func (d *Daemon) stop(ctx context.Context) error {
	d.work.cancel() // now, so that it ends while the last requests are served
	return d.app.Stop(ctx)
}

// options is the daemon as fx sees it. The order matters where something is started: the modules' hooks run in this order, and in
// the reverse order at the end.
func options(s *Settings, log *slog.Logger, background *work) fx.Option {
	all := []fx.Option{
		fx.WithLogger(func() fxevent.Logger {
			events := &fxevent.SlogLogger{Logger: log}
			events.UseLogLevel(slog.LevelDebug)
			events.UseErrorLevel(slog.LevelDebug) // whoever called New or Start gets the error
			return events
		}),
		fx.Supply(log, fx.Annotate(background, fx.As(fx.Self()), fx.As(new(ports.Readiness))), s.HTTP, s.Auth),
		clock.Module,
		auth.Module,
		s.Store.module(),
	}
	for _, p := range s.protocols {
		if s.enabled(p.name) {
			all = append(all, p.options())
		}
	}
	return fx.Options(append(all,
		fx.Supply(domain.Precedence{{Protocol: manual.Protocol, Any: true}}),
		fx.Provide(newPresence, fx.Annotate(app.NewFeed, fx.As(new(ports.Feed))), app.NewExpirer,
			fx.Annotate(newSupervisor, fx.As(fx.Self()), fx.As(new(ports.Sources)))),
		fx.Module("expirer", fx.Invoke(func(lc fx.Lifecycle, w *work, e *app.Expirer) { w.during(lc, "the expirer", e.Run) })),
		fx.Module("supervisor", fx.Invoke(func(lc fx.Lifecycle, w *work, s *app.Supervisor) {
			w.during(lc, "the supervisor of the sources", func(ctx context.Context) error { s.Run(ctx); return nil })
		})),
		http.Module,
	)...)
}

// parts is what the enabled protocols have provided.
type parts struct {
	fx.In

	Updatables []domain.ClientProtocol `group:"clients"`
	Sources    []ports.Source          `group:"sources"`
}

func newPresence(store ports.Store, clock ports.Clock, p parts) (ports.Presence, error) {
	readOnly := make([]domain.Protocol, len(p.Sources))
	for i, source := range p.Sources {
		readOnly[i] = source.Describe().Protocol
	}
	return app.NewPresence(store, clock, p.Updatables, readOnly)
}

func newSupervisor(store ports.Store, leases ports.Leases, clock ports.Clock, log *slog.Logger, p parts) (*app.Supervisor, error) {
	return app.NewSupervisor(p.Sources, store, leases, clock, log)
}
