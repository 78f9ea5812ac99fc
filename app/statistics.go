package app

import (
	"context"

	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

var _ ports.Statistics = (*Statistics)(nil)

// Statistics implements ports.Statistics.
type Statistics struct {
	core    Core
	census  *Census
	expirer *Expirer
	leases  *Leases
}

// NewStatistics makes the use case.
func NewStatistics(core Core, census *Census, expirer *Expirer, leases *Leases) *Statistics {
	return &Statistics{core: core, census: census, expirer: expirer, leases: leases}
}

// Journal implements ports.Statistics.
func (s *Statistics) Journal() ports.JournalStatistics { return s.core.Writer.Statistics() }

// Census implements ports.Statistics.
func (s *Statistics) Census(ctx context.Context) (ports.Census, bool) { return s.census.Count(ctx) }

// Expiries implements ports.Statistics.
func (s *Statistics) Expiries() *measure.Histogram { return &s.expirer.lateness }

// ReportsDropped implements ports.Statistics.
func (s *Statistics) ReportsDropped() uint64 {
	_, reports := s.core.UserLimit.Refused()
	return reports
}

// Leases implements ports.Statistics.
func (s *Statistics) Leases() map[string]bool { return s.leases.Held() }
