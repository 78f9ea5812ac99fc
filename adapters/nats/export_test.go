package nats

import "context"

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
