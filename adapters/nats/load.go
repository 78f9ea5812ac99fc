package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/domain"
)

// settleWithin is how long what the engine says may not fit together: after an election in a cluster, for example, or after a full disk.
const settleWithin = 15 * time.Second

var errMissing = errors.New("something is missing")

// load takes in the last snapshot and what the journal has beyond it. In a cluster the reader goes on with what comes. It may be called
// again if it fails: other daemons make snapshots meanwhile, and remove what this one was about to read.
func (s *Store) load(ctx context.Context, began time.Time) error {
	before := s.snapshots.tried
	if err := s.loadOnce(ctx, began); err != nil {
		if s.engine != nil || errors.Is(err, errMissing) && s.snapshots.tried == before && time.Since(began) > settleWithin {
			return refusal{err}
		}
		s.empty()
		return judge(err)
	}
	return nil
}

func (s *Store) loadOnce(ctx context.Context, began time.Time) error {
	position, err := s.snapshots.load(ctx)
	if err != nil {
		return err
	}
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	state := info.State
	if state.LastSeq < position || state.Msgs > 0 && state.FirstSeq > position+1 || state.Msgs == 0 && state.LastSeq > position {
		return fmt.Errorf("store: the snapshot is of entry %d, and the journal has entries %d to %d: %w; restore both from a backup",
			position, state.FirstSeq, state.LastSeq, errMissing)
	}
	if s.engine != nil {
		if err := s.whole(ctx, state); err != nil {
			return err
		}
	}
	s.Lock()
	s.reached = position
	s.Compact(domain.Revision(versionOf(position+1, 0)) - 1) // what was removed before is not known
	s.Unlock()
	if state.LastSeq > position || !s.writer.alone {
		if err := s.read(ctx, info); err != nil {
			return err
		}
	}
	s.log.Info("store loaded", "presences", s.count(), "journal_entries", state.LastSeq-position, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// whole checks that the journal has its last entry: the engine keeps its number although a file is missing.
func (s *Store) whole(ctx context.Context, state jetstream.StreamState) error {
	if state.Msgs == 0 {
		return nil
	}
	last, err := s.streams.journal.GetLastMsgForSubject(ctx, s.streams.entries)
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	if last.Sequence != state.LastSeq {
		return fmt.Errorf("store: the journal has entries up to %d, and ends with %d: %w; restore a backup", last.Sequence, state.LastSeq, errMissing)
	}
	return nil
}

// count returns how many presences there are.
func (s *Store) count() (presences int) {
	s.Each(func(_ domain.UserID, of domain.Presences) bool {
		presences += len(of)
		return true
	})
	return presences
}

// read starts a reader, and returns when the journal is in memory as far as it went when info was got.
func (s *Store) read(ctx context.Context, info *jetstream.StreamInfo) error {
	r := newReader(s, info)
	r.start(s.background) //nolint:contextcheck // it may outlive the start
	if err := r.waitLoaded(ctx); err != nil {
		r.close()
		return err
	}
	if s.writer.alone {
		r.close()
	} else {
		s.reader = r
	}
	return nil
}

// empty takes everything out of the image, before it is loaded once more. Nobody has seen any of it.
func (s *Store) empty() {
	s.Lock()
	defer s.Unlock()
	for _, held := range s.Collect() {
		held.Each(func(user domain.UserID, p domain.Presence, version uint64) {
			p.Removed = true
			s.PutVersion(user, p, version)
		})
	}
	s.reached = 0
	s.snapshots.counted.Store(0)
}
