// Command presence-beacon is the daemon with one more protocol, a source without a server: one user is always there.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"github.com/zarafa/presence/daemon"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

func main() {
	daemon.Main(daemon.Protocol("beacon", defaults, fx.Module("beacon", fx.Provide(func(log *slog.Logger) func(config) (ports.Source, error) {
		return func(c config) (ports.Source, error) { return source{c, log}, c.Validate() }
	}))))
}

type config struct {
	User     string         `koanf:"user" help:"who is there, e.g. markd@zarafa.com"`
	Password setting.Secret `koanf:"password" help:"what proves it"`
	After    time.Duration  `koanf:"after" help:"how long that holds"`
}

func defaults() config { return config{After: time.Minute} }

func (c config) Validate() (err error) {
	if _, fault := domain.ParseUserID(c.User); fault != nil {
		err = fmt.Errorf("beacon.user: %w", fault)
	}
	if c.Password.IsZero() {
		err = errors.Join(err, errors.New("beacon.password: it is missing"))
	}
	return err
}

// source implements ports.Source.
type source struct {
	config
	log *slog.Logger
}

func (s source) Describe() domain.Source {
	return domain.Source{Protocol: domain.MustProtocol("beacon"), StaleAfter: s.After, Absent: domain.AbsentUnavailable}
}

func (s source) Run(ctx context.Context, observer ports.Observer) error {
	observer.Connected()
	observer.Report(domain.Report{User: domain.UserID(s.User), Device: "lamp", Status: domain.Busy, Message: "on"})
	observer.Synced()
	s.log.Info("lit", "password", s.Password)
	<-ctx.Done()
	return ctx.Err()
}
