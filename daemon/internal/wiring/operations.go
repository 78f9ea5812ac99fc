package wiring

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/metrics"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Health is the section health of the configuration.
type Health struct {
	StaleAfter time.Duration `koanf:"stale_after" help:"if a daemon of several cannot follow the journal for so long, /readyz is 503, so that a proxy asks another one"`
}

// DefaultHealth returns the defaults.
func DefaultHealth() Health { return Health{StaleAfter: time.Minute} }

// Validate returns what is wrong with it.
func (h Health) Validate() error {
	if h.StaleAfter <= 0 {
		return errors.New("health.stale_after: must be more than zero, e.g. 1m; it is " + h.StaleAfter.String())
	}
	return nil
}

// metrics connects what counts with what exports it, and the server with both.
func (s *Settings) metrics() fx.Option {
	return fx.Options(
		metrics.Module,
		fx.Supply(metrics.Version(s.Version)),
		fx.Provide(
			func(h *app.Health, e *metrics.Exporter) http.Operations {
				return http.Operations{Health: h, Metrics: e.Handler()}
			},
			func(server *http.Server) metrics.Server { return server },
			metrics.Collector(s.disk),
			metrics.Collector(func(e *app.Exporters) prometheus.Collector { return metrics.OfExporters(e) }),
		))
}

// disk is a collector of how full the disk is that keeps presences, if one does.
func (s *Settings) disk() (prometheus.Collector, error) {
	if s.Store.Name() != storeBolt {
		return metrics.OfDisk(""), nil
	}
	dir, err := s.Store.Directory()
	return metrics.OfDisk(dir), err
}

func newHealth(core app.Core, readiness ports.Readiness, sources ports.Sources, now ports.Clock, s *Settings) *app.Health {
	return app.NewHealth(core, readiness, sources, now, s.Health.StaleAfter)
}

func newCensus(img *image.Image, now *app.Continuity, precedence domain.Precedence) *app.Census {
	return app.NewCensus(img, now, precedence)
}

// newHousekeeper and newSupervisor make the use cases that need leases with those that are watched.
func newHousekeeper(core app.Core, leases *app.Leases, now ports.Clock, retain time.Duration, log *slog.Logger) *app.Housekeeper {
	return app.NewHousekeeper(core, leases, now, retain, log)
}

func newSupervisor(sources []ports.Source, core app.Core, leases *app.Leases, now ports.Clock, log *slog.Logger) (*app.Supervisor, error) {
	return app.NewSupervisor(sources, core, leases, now, log)
}
