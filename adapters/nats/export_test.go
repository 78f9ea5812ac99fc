package nats

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/domain"
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

// Changes replays the journal, which has to be whole, and returns how many changes each user has had, and how many records were rejected
// because another one was first.
func (s *Store) Changes(ctx context.Context) (changes map[domain.UserID]int, rejected int, err error) {
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	changes = map[domain.UserID]int{}
	replayed := New(s.config, s.log)
	for sequence := uint64(1); sequence <= info.State.LastSeq; sequence++ {
		msg, err := s.streams.journal.GetMsg(ctx, sequence)
		if err != nil {
			return nil, 0, err
		}
		_, err = parseEntry(msg.Data, func(first int, records []record) {
			if !replayed.apply(sequence, first, records) {
				rejected += len(records)
				return
			}
			for _, r := range records {
				if r.presence.Revision == 0 || r.presence.Removed {
					changes[r.user]++
				}
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return changes, rejected, nil
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
	return errors.Join(s.streams.js.DeleteStream(ctx, s.config.Bucket+journalSuffix), s.streams.js.DeleteStream(ctx, "KV_"+s.config.Bucket))
}

// EmptyJournal makes the journal begin anew, under the store.
func (s *Store) EmptyJournal(ctx context.Context) error {
	err := s.streams.js.DeleteStream(ctx, s.config.Bucket+journalSuffix)
	if err == nil {
		_, err = openStreams(ctx, s.streams.js, s.config)
	}
	return err
}

// Serves reports whether an entry without records is stored, and comes back: after the streams were made it takes a moment until all servers know of
// them and of each other.
func (s *Store) Serves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readAnswer)
	defer cancel()
	ack, err := s.streams.js.Publish(ctx, s.streams.entries, appendHeader(nil, "test"), jetstream.WithRetryAttempts(0))
	for err == nil && ctx.Err() == nil && s.position() < ack.Sequence {
		pause(ctx, time.Millisecond)
	}
	return err == nil && ctx.Err() == nil
}

// Feeder returns the name of the server from which the store reads the journal, if no other store does.
func (s *Store) Feeder(ctx context.Context) (string, error) {
	consumers := s.streams.journal.ListConsumers(ctx)
	var name string
	for info := range consumers.Info() { // to its end, or it leaves a goroutine
		name = info.Cluster.Leader
	}
	return name, consumers.Err()
}

// Reconnect breaks the connection to the engine or the servers; it comes back by itself.
func (s *Store) Reconnect() error { return s.conn.ForceReconnect() }

// Behind returns how far the image is, and how far the journal is.
func (s *Store) Behind(ctx context.Context) (reached, last uint64, err error) {
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	return s.position(), info.State.LastSeq, nil
}

// Queued returns how many commits wait to be sent.
func (s *Store) Queued() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return len(s.writer.queue)
}

// LoseEntry makes the journal, which has to be empty, count an entry that it does not have.
func (s *Store) LoseEntry(ctx context.Context) error {
	config := s.streams.journal.CachedInfo().Config
	if err := s.streams.js.DeleteStream(ctx, config.Name); err != nil {
		return err
	}
	config.DenyDelete = false
	var err error
	if s.streams.journal, err = s.streams.js.CreateStream(ctx, config); err != nil {
		return err
	}
	ack, err := s.streams.js.Publish(ctx, s.streams.entries, nil)
	if err != nil {
		return err
	}
	return s.streams.journal.DeleteMsg(ctx, ack.Sequence)
}
