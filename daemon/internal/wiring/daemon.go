// Package wiring puts the daemon together: it names the configuration's sections, reads them, and connects adapters and use cases
// with fx. Packages daemon and daemon/command call it.
//
// It is the only package that knows every adapter. A new protocol is one line in the list in protocols.go. Everything is made by
// plain constructors; a protocol that is off is not made.
package wiring

import (
	"context"
	"fmt"
	"log/slog"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/zarafa/presence/adapters/audit"
	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/identities"
	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Daemon is the whole of it, to be started and stopped once.
type Daemon struct {
	*background
	log      *slog.Logger
	app      *fx.App
	running  running
	settings *Settings // in effect
	made     made      // the protocols that are on
	webhooks []*webhook.Exporter
	off      map[string]domain.Source
}

// New makes a daemon of settings that are valid. It opens no port and starts nothing. Its error is what a start would fail with, the network
// and the store apart: one sentence.
func New(settings *Settings, log *slog.Logger) (*Daemon, error) {
	d := &Daemon{log: log, settings: settings}
	d.app = fx.New(options(settings, log), fx.Populate(&d.running, &d.background, &d.made, &d.webhooks))
	if err := d.app.Err(); err != nil {
		return nil, dig.RootCause(err)
	}
	d.offer(settings.General)
	return d, nil
}

// LogTo has requests, and who has set what, logged from now on. It may be called before Start.
func (d *Daemon) LogTo(log *Logging) {
	d.running.Server.LogAccess(log.Access.Logger)
	d.running.Audit.WriteTo(log.Audit.Logger)
}

// Start starts everything and returns when requests are served. Until the store is loaded they are answered with a request to come back. If
// it fails, what had been started is stopped again.
func (d *Daemon) Start(ctx context.Context) error {
	return dig.RootCause(d.app.Start(ctx))
}

// URL is where the daemon is to be found from this machine: http://host:port/, or https, or unix: and a path. It is empty before Start.
func (d *Daemon) URL() string { return d.running.Server.URL() }

// Wait returns a channel that yields when the daemon is to be stopped: a signal was received, or it cannot go on, and Err says why.
func (d *Daemon) Wait() <-chan fx.ShutdownSignal { return d.app.Wait() }

// Stop ends everything and waits for it, at most until ctx ends.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.app.Stop(ctx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	d.log.Info("stopped")
	return nil
}

// options is the daemon as fx sees it. What is in the background is begun after the server has begun to listen, and ends after it has served
// its last request: the hooks run in the order of the modules, and at the end in the reverse order.
func options(s *Settings, log *slog.Logger) fx.Option {
	all := []fx.Option{
		fx.WithLogger(func() fxevent.Logger {
			events := &fxevent.SlogLogger{Logger: log}
			events.UseLogLevel(slog.LevelDebug)
			events.UseErrorLevel(slog.LevelDebug) // whoever called New or Start gets the error
			return events
		}),
		s.core(log),
		fx.Supply(s, s.HTTP, s.Auth, s.Store.Retain),
		auth.Module,
	}
	for _, p := range s.protocols {
		all = append(all, p.module)
	}
	return fx.Options(append(all,
		fx.Provide(newTokens, newVerifier, newBackground, newExpirer, newCensus, newHousekeeper, app.NewLeases,
			fx.Annotate(app.NewStatistics, fx.As(new(ports.Statistics))),
			fx.Annotate(newHealth, fx.As(fx.Self()), fx.As(new(ports.Health))),
			fx.Annotate(newContinuity, fx.As(fx.Self()), fx.As(new(ports.Readiness))),
			fx.Annotate(newParts, fx.ParamTags("", `group:"protocols"`)),
			newSights, newFollower, newRenewer,
			fx.Annotate(func() *app.Identities { return app.NewIdentities(nil) }, fx.As(fx.Self()), fx.As(new(ports.Identities)), fx.As(new(ports.Groups)),
				fx.As(new(ports.TimeZones))),
			fx.Annotate(newPresence, fx.As(fx.Self()), fx.As(new(ports.Presence))),
			fx.Annotate(newBackup, fx.As(fx.Self()), fx.As(new(ports.Backup))),
			fx.Annotate(newFeed, fx.As(fx.Self()), fx.As(new(ports.Feed))),
			fx.Annotate(app.NewDirectory, fx.As(fx.Self()), fx.As(new(ports.Directory))),
			newExporters, newSupervisor, fx.Annotate(app.NewSources, fx.As(new(ports.Sources)))),
		s.metrics(),
		fx.Invoke(signInBy),
		fx.Module("last", fx.Invoke(func(lc fx.Lifecycle, b *background) { lc.Append(fx.StopHook(b.wait)) })),
		http.Module,
		fx.Module("background", fx.Invoke(func(lc fx.Lifecycle, b *background, h *app.Health) {
			lc.Append(fx.StartStopHook(b.start, func() { h.Stop(); b.stop() }))
		})),
	)...)
}

// core is the image and what keeps it, which commands that open the store themselves need too.
func (s *Settings) core(log *slog.Logger) fx.Option {
	return fx.Options(
		fx.Supply(log, s.Store.Limits),
		fx.Provide(newLimits, app.NewUserLimit),
		audit.Module,
		clock.Module,
		s.Store.module(),
		fx.Provide(s.General.precedence, newImage, commit.New, fx.Annotate(newCore, fx.ParamTags("", "", "", "", "", `optional:"true"`))))
}

func newImage(precedence domain.Precedence) *image.Image {
	img := image.New()
	img.Prefer(precedence)
	return img
}

func newContinuity(core app.Core, now ports.Clock, clients []domain.ClientProtocol, s *Settings, log *slog.Logger) *app.Continuity {
	return app.NewContinuity(core, now, clients, s.Auth.ClockSkew, s.Store.Name() == storeNATS, log)
}

func newFollower(s *Settings, into *app.Identities, log *slog.Logger) (*identities.Follower, error) {
	return identities.NewFollower(s.General.Identities, s.General.IdentitiesFile, into, log)
}

// newExpirer, newPresence, newBackup and newFeed give the use cases the time that stands still after a pause of the daemon.
func newExpirer(core app.Core, now *app.Continuity, log *slog.Logger) *app.Expirer {
	return app.NewExpirer(core, now, now, log)
}

func newPresence(core app.Core, now *app.Continuity, clients []domain.ClientProtocol, readOnly []domain.Protocol) (*app.Presence, error) {
	return app.NewPresence(core, now, clients, readOnly)
}

func newBackup(core app.Core, now *app.Continuity, clients []domain.ClientProtocol) *app.Backup {
	return app.NewBackup(core, now, clients)
}

func newFeed(core app.Core, now *app.Continuity, precedence domain.Precedence, identities *app.Identities) *app.Feed {
	feed := app.NewFeed(core, now, precedence)
	feed.NameBy(identities)
	return feed
}

func newLimits(limits Limits) *app.CurrentLimits { return app.NewCurrentLimits(limits.forApp()) }

// newCore makes the core. Commands that open the store themselves have no sights: they see everything.
func newCore(img *image.Image, writer *commit.Writer, limits *app.CurrentLimits, users *app.UserLimit, audit ports.Audit, sights *app.Sights) app.Core {
	return app.Core{Image: img, Writer: writer, Limits: limits, UserLimit: users, Audit: audit, Sights: sights}
}

func (l Limits) forApp() app.Limits {
	return app.Limits{Users: l.MaxUsers, Devices: l.MaxDevices, SourceBytes: int64(l.MaxSourceBytes)}
}
