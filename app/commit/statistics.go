package commit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

// statistics are what the writer counts.
type statistics struct {
	kept, refused, unknown atomic.Uint64
	durations              measure.Histogram
	unwritable             atomic.Bool

	snapshotAt   atomic.Int64 // a domain.Timestamp
	made, failed atomic.Uint64
}

// appended notes an append, how long it took and how it has ended.
func (s *statistics) appended(took time.Duration, err error) {
	s.durations.Observe(took)
	switch {
	case err == nil:
		s.kept.Add(1)
		s.unwritable.Store(false)
		return
	case errors.Is(err, ports.ErrUnavailable):
		s.refused.Add(1)
	case errors.Is(err, ports.ErrTooLarge):
		s.refused.Add(1)
		return // a smaller one would have been kept
	default:
		s.unknown.Add(1)
	}
	if !errors.Is(err, context.Canceled) { // the daemon is stopping
		s.unwritable.Store(true)
	}
}

// snapshot notes that a snapshot was made, or could not be.
func (s *statistics) snapshot(now domain.Timestamp, err error) {
	if err != nil {
		s.failed.Add(1)
		return
	}
	s.made.Add(1)
	s.snapshotAt.Store(int64(now))
}

// Statistics returns how the journal is doing. It may be called at any time.
func (w *Writer) Statistics() ports.JournalStatistics {
	s := &w.statistics
	return ports.JournalStatistics{
		Kept: s.kept.Load(), Refused: s.refused.Load(), Unknown: s.unknown.Load(),
		Durations:       &s.durations,
		Writable:        !s.unwritable.Load(),
		Followed:        w.image.KnownUntil().IsZero(),
		Entries:         w.growth.count.Load() - w.growth.keptCount.Load(),
		SnapshotBytes:   w.growth.snapshot.Load(),
		SnapshotAt:      domain.Timestamp(s.snapshotAt.Load()),
		SnapshotsMade:   s.made.Load(),
		SnapshotsFailed: s.failed.Load(),
	}
}
