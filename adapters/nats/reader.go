package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reader takes the journal's entries into the image, in order and each of them once. If nobody else writes, it is needed only for loading.
//
// It has a consumer on one of the servers, and makes another one, which goes on with the next entry, when that server is lost or does not
// say anything for a second. (An ordered consumer of nats.go does the same, but waits up to 20 seconds between attempts, does not let
// go meanwhile, and does not notice that a journal was replaced.)
type reader struct {
	store   *Store
	created time.Time    // when the journal was
	first   uint64       // the first entry that belongs to loading
	upTo    uint64       // the last one
	last    atomic.Int64 // when the journal got the last entry that was taken, which tells that from another of the same number
	taken   atomic.Uint64
	behind  time.Time // since when the journal has been shorter than the image: zero if it is not
	said    time.Time // when the log was told that the journal cannot be followed: zero if it can

	loaded chan struct{} // closed when upTo has been taken in
	broken chan error    // holds why the journal cannot be followed any further
	stop   context.CancelFunc
	done   chan struct{}
}

func newReader(s *Store, info *jetstream.StreamInfo) *reader {
	return &reader{
		store:   s,
		created: info.Created,
		first:   s.reached + 1,
		upTo:    info.State.LastSeq,
		loaded:  make(chan struct{}),
		broken:  make(chan error, 1),
		done:    make(chan struct{}),
	}
}

// errLost says that the image cannot become true any more by following the journal: the daemon has to load everything anew.
var errLost = errors.New("the presences have to be loaded anew")

const (
	readAgain   = 100 * time.Millisecond // between two consumers
	readSilence = 500 * time.Millisecond // between two signs of life of a consumer; the second that is missing ends it
	readSay     = 5 * time.Second        // between two lines in the log
	readAnswer  = 2 * time.Second        // how long the engine may take to answer a question
)

// start follows the journal until ctx ends or close is called.
func (r *reader) start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	if r.upTo < r.first {
		close(r.loaded)
	}
	go func() {
		defer close(r.done)
		var lost time.Time
		for ctx.Err() == nil {
			err := r.follow(ctx)
			again := time.Since(lost) < 2*readAnswer // the first time is none to speak of
			lost = time.Now()
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, errLost) || r.store.engine != nil:
				r.broken <- err
				return
			case again && time.Since(r.said) >= readSay:
				r.said = time.Now()
				r.store.log.Warn("store degraded: the journal cannot be followed, will try again; reads go on from memory", "err", err)
			}
			pause(ctx, readAgain)
		}
	}()
}

// close ends the reader, and waits for it.
func (r *reader) close() {
	r.stop()
	<-r.done
}

// watch makes the store fail when the reader does: it writes nothing any more, its snapshots neither.
func (r *reader) watch(ctx context.Context) {
	select {
	case err := <-r.broken:
		r.store.lost(err)
	case <-ctx.Done():
	}
}

// waitLoaded waits until everything is in memory, and logs how far it is every two seconds.
func (r *reader) waitLoaded(ctx context.Context) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-r.loaded:
			return nil
		case err := <-r.broken:
			return err
		case <-ticker.C:
			r.store.log.Info("store loading the journal", "entries", r.taken.Load(), "of", r.upTo-r.first+1)
		case <-ctx.Done():
			return fmt.Errorf("store: loading the journal: %w", ctx.Err())
		}
	}
}

// follow takes in what one consumer delivers, until that ends or ctx does. It never returns nil.
func (r *reader) follow(ctx context.Context) error {
	next, err := r.begin(ctx)
	if err != nil {
		return err
	}
	consumer, err := r.consumer(ctx, next)
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(readSilence), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	defer messages.Stop()
	if !r.said.IsZero() {
		r.said = time.Time{}
		r.store.log.Info("store: the journal is followed again")
	}
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("store: cannot read the journal: %w", err)
		}
		if err := r.take(ctx, msg); err != nil {
			return err
		}
	}
}

// begin checks that the journal is still the one that the image is made of, and returns the entry to begin with. That is the last one
// taken if it can be compared, else the next one.
func (r *reader) begin(ctx context.Context) (next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readAnswer)
	defer cancel()
	info, err := r.store.streams.journal.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("store: cannot read the journal: %w", err)
	}
	reached, state := r.store.position(), info.State
	switch {
	case !info.Created.Equal(r.created):
		return 0, fmt.Errorf("store: the journal was replaced by another one: %w", errLost)
	case state.FirstSeq > reached+1:
		return 0, cutOff(reached, state.FirstSeq)
	case state.LastSeq >= reached:
		r.behind = time.Time{}
	case r.behind.IsZero():
		r.behind = time.Now()
		fallthrough
	default: // the server that answers may have to catch up
		err := fmt.Errorf("store: the journal ends with entry %d, and this daemon has had %d", state.LastSeq, reached)
		if time.Since(r.behind) > settleWithin {
			err = fmt.Errorf("%w: %w", err, errLost)
		}
		return 0, err
	}
	if r.last.Load() == 0 {
		return reached + 1, nil
	}
	return reached, nil
}

func (r *reader) consumer(ctx context.Context, next uint64) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, readAnswer)
	defer cancel()
	return r.store.streams.journal.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       next,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: 10 * time.Second,
		MemoryStorage:     true,
		Replicas:          1,
	})
}

// take takes one entry into the image.
func (r *reader) take(ctx context.Context, msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("store: a message of the journal without its number: %w", err)
	}
	sequence, reached, last := meta.Sequence.Stream, r.store.position(), r.last.Load()
	switch {
	case sequence == reached && last == meta.Timestamp.UnixNano():
		return nil // begin asked for it
	case sequence == reached && last != 0:
		return fmt.Errorf("store: entry %d of the journal is not the one that this daemon has had: %w", sequence, errLost)
	case sequence != reached+1:
		return r.gap(ctx, reached+1, sequence)
	}
	r.store.takeEntry(sequence, msg.Data())
	r.last.Store(meta.Timestamp.UnixNano())
	if r.taken.Add(1); sequence == r.upTo {
		close(r.loaded)
	}
	return nil
}

// gap finds out whether an entry that was not delivered is there. Then another consumer delivers it.
func (r *reader) gap(ctx context.Context, missing, delivered uint64) error {
	err := fmt.Errorf("store: entry %d of the journal was delivered instead of %d", delivered, missing)
	ctx, cancel := context.WithTimeout(ctx, readAnswer)
	defer cancel()
	journal := r.store.streams.journal
	if _, found := journal.GetMsg(ctx, missing); !errors.Is(found, jetstream.ErrMsgNotFound) {
		return err
	}
	info, unknown := journal.Info(ctx)
	switch {
	case unknown != nil || info.State.LastSeq < delivered:
		return err // the server that answers has to catch up
	case info.State.FirstSeq > missing:
		return cutOff(missing-1, info.State.FirstSeq)
	default:
		return fmt.Errorf("%w, which is not there: %w", err, errLost)
	}
}

func cutOff(reached, first uint64) error {
	return fmt.Errorf("store: this daemon has the journal up to entry %d, and was cut off for so long that it now begins with entry %d: %w", reached, first, errLost)
}

// position returns the last entry that the image has taken in.
func (s *Store) position() uint64 {
	s.Lock()
	defer s.Unlock()
	return s.reached
}

// takeEntry takes the next entry into the image, unless it is there already.
func (s *Store) takeEntry(sequence uint64, entry []byte) {
	var rejected []bool
	s.Lock()
	if sequence <= s.reached {
		s.Unlock()
		return
	}
	origin, err := parseEntry(entry, func(first int, records []record) {
		rejected = append(rejected, !s.apply(sequence, first, records))
	})
	s.reached = sequence
	s.Unlock()
	if err != nil { // every daemon ignores it
		s.log.Error("store: ignoring an entry of the journal", "entry", sequence, "err", err)
		return
	}
	s.snapshots.grown(len(entry))
	s.writer.arrived(origin, rejected)
}
