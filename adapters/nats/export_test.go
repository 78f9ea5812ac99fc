package nats

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Snapshot makes a snapshot now. The journal must be too short for the store to make one itself meanwhile.
func (s *Store) Snapshot(ctx context.Context) error { return s.snapshots.make(ctx) }

// JournalEntries returns how many entries the journal has.
func (s *Store) JournalEntries(ctx context.Context) (uint64, error) {
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.Msgs, nil
}

// WriteChunksOnly leaves a snapshot behind that was not finished.
func (s *Store) WriteChunksOnly(ctx context.Context) error {
	s.Lock()
	image := s.Collect()
	s.Unlock()
	m := manifest{Name: "interrupted-1"}
	return s.snapshots.write(ctx, &m, image)
}

// ErrOvertaken is what Snapshot returns if another daemon has made one.
var ErrOvertaken = errOvertaken

// Chunks returns how many chunks the bucket has of each snapshot, and the name of the one that holds.
func (s *Store) Chunks(ctx context.Context) (there map[string]int, held string, err error) {
	m, err := s.snapshots.fetchManifest(ctx)
	if err != nil {
		return nil, "", err
	}
	info, err := s.streams.bucket.Info(ctx, jetstream.WithSubjectFilter(s.streams.keys+"*.*"))
	if err != nil {
		return nil, "", err
	}
	there = map[string]int{}
	for subject := range info.State.Subjects {
		name, _, _ := strings.Cut(strings.TrimPrefix(subject, s.streams.keys), ".")
		there[name]++
	}
	return there, m.Name, nil
}

// DeleteStreams takes everything away from under the store.
func (s *Store) DeleteStreams(ctx context.Context) error {
	return errors.Join(s.streams.js.DeleteStream(ctx, s.config.Bucket+"_journal"), s.streams.js.DeleteStream(ctx, "KV_"+s.config.Bucket))
}
