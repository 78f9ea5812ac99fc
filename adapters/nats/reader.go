package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/domain"
)

// reader takes the journal's entries into the image. If nobody else writes, it is needed only for loading.
type reader struct {
	store    *Store
	consumer jetstream.ConsumeContext
	upTo     uint64        // the last entry that belongs to loading
	loaded   chan struct{} // closed when it has been taken in
	broken   chan error    // holds why the journal cannot be followed any further
	taken    atomic.Uint64
}

// load takes in the last snapshot and what the journal has beyond it. In a cluster the reader goes on with what comes.
func (s *Store) load(ctx context.Context) error {
	began := time.Now()
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
		return fmt.Errorf("store: the snapshot is of entry %d, and the journal has entries %d to %d: something is missing; restore both from a backup",
			position, state.FirstSeq, state.LastSeq)
	}
	s.Lock()
	s.reached = position
	s.Compact(domain.Revision(versionOf(position+1, 0)) - 1) // what was removed before is not known
	s.Unlock()
	r := &reader{store: s, upTo: state.LastSeq, loaded: make(chan struct{}), broken: make(chan error, 1)}
	if state.LastSeq == position && s.writer.alone {
		s.logLoaded(began, 0)
		return nil
	}
	if err := r.follow(ctx, position); err != nil {
		return err
	}
	if err := r.waitLoaded(ctx, state.LastSeq-position); err != nil {
		r.close()
		return err
	}
	s.logLoaded(began, state.LastSeq-position)
	if s.writer.alone {
		r.close()
	} else {
		s.reader = r
	}
	return nil
}

func (s *Store) logLoaded(began time.Time, entries uint64) {
	s.log.Info("store loaded", "presences", s.snapshots.presences(), "journal_entries", entries, "took", time.Since(began).Round(time.Millisecond))
}

// follow begins to take in what comes after an entry.
func (r *reader) follow(ctx context.Context, position uint64) error {
	if r.upTo == position {
		close(r.loaded)
	}
	ordered, err := r.store.streams.journal.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   position + 1,
	})
	if err == nil {
		r.consumer, err = ordered.Consume(r.take)
	}
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	return nil
}

// waitLoaded waits until everything is in memory, and logs how far it is every two seconds.
func (r *reader) waitLoaded(ctx context.Context, total uint64) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-r.loaded:
			return nil
		case err := <-r.broken:
			return err
		case <-ticker.C:
			r.store.log.Info("store loading the journal", "entries", r.taken.Load(), "of", total)
		case <-ctx.Done():
			return fmt.Errorf("store: loading the journal: %w", ctx.Err())
		}
	}
}

// take takes one entry into the image.
func (r *reader) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		r.store.log.Error("store: a message without its number", "err", err)
		return
	}
	if err := r.store.takeEntry(meta.Sequence.Stream, msg.Data()); err != nil {
		select {
		case r.broken <- err:
			r.store.fail(err)
		default: // that was said
		}
		return
	}
	if r.taken.Add(1); meta.Sequence.Stream == r.upTo {
		close(r.loaded)
	}
}

var errGap = errors.New("entries of the journal are missing")

// takeEntry takes an entry into the image, if that has not got it.
func (s *Store) takeEntry(sequence uint64, entry []byte) error {
	s.Lock()
	if sequence <= s.reached {
		s.Unlock()
		return nil
	}
	if sequence != s.reached+1 {
		defer s.Unlock()
		return fmt.Errorf("store: %w: the last one was %d, the next one is %d", errGap, s.reached, sequence)
	}
	var rejected []bool
	origin, err := parseEntry(entry, func(first int, records []record) {
		rejected = append(rejected, !s.apply(sequence, first, records))
	})
	s.reached = sequence
	s.Unlock()
	if err != nil { // every daemon ignores it
		s.log.Error("store: ignoring an entry of the journal", "entry", sequence, "err", err)
		return nil
	}
	s.snapshots.grown(len(entry))
	s.writer.arrived(origin, rejected)
	return nil
}

// close ends the reader, and waits for it.
func (r *reader) close() {
	if r.consumer != nil {
		r.consumer.Stop()
		<-r.consumer.Closed()
	}
}
