// Package beacon is a source without a server: one user is always there.
package beacon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

var protocol = domain.MustProtocol("beacon")

// Config is the section beacon of the configuration.
type Config struct {
	User     string         `koanf:"user" help:"who is there, e.g. markd@zarafa.com"`
	Password setting.Secret `koanf:"password" help:"what proves it"`
	After    time.Duration  `koanf:"after" help:"how long that takes"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{After: time.Millisecond} }

// Validate names everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	if _, err := domain.ParseUserID(c.User); err != nil {
		faults = append(faults, fmt.Errorf("beacon.user: %w", err))
	}
	if c.Password.IsZero() {
		faults = append(faults, errors.New("beacon.password: it is missing"))
	}
	return errors.Join(faults...)
}

// Source implements ports.Source.
type Source struct {
	config Config
	user   domain.UserID
	log    *slog.Logger
}

// New makes the source of a Config.
func New(config Config, log *slog.Logger) (*Source, error) {
	user, err := domain.ParseUserID(config.User)
	return &Source{config, user, log}, err
}

// Describe implements ports.Source.
func (s *Source) Describe() domain.Source {
	return domain.Source{Protocol: protocol, StaleAfter: time.Minute, Absent: domain.AbsentUnavailable}
}

// Run implements ports.Source.
func (s *Source) Run(ctx context.Context, observer ports.Observer) error {
	select {
	case <-time.After(s.config.After):
	case <-ctx.Done():
		return ctx.Err()
	}
	observer.Connected()
	observer.Report(domain.Report{User: s.user, Device: "lamp", Status: domain.Busy, Message: "on"})
	observer.Synced()
	s.log.Info("lit", "password", s.config.Password)
	<-ctx.Done()
	return ctx.Err()
}
