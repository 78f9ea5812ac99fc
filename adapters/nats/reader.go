package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/ports"
)

// reader gives the snapshot and the entries to a Replay, in order and each of them once.
//
// It has a consumer on one of the servers, and makes another one, which goes on with the next entry, when that server is lost or does not
// say anything for a second. (An ordered consumer of nats.go does the same, but waits up to 20 seconds between attempts, does not let
// go meanwhile, and does not notice that a stream was replaced.)
type reader struct {
	*streams
	log *slog.Logger
	to  ports.Replay

	created  time.Time // when the stream of entries was; zero: not known yet
	last     time.Time // when the stream got that entry, which tells it from another of the same number; zero: not known
	upTo     uint64    // the last entry that was there when the attempt began
	began    time.Time // when the attempt did
	dirty    bool      // something was given since the last Reset
	position           // how far it has come

	snapshot string    // the name of the one that was loaded last
	oddSince time.Time // since when what the servers say does not fit together; zero if it does
	said     time.Time // when the log was told how far loading is
}

// errLost says that reading on is of no use: everything has to be loaded anew. While loading that is what happens.
var errLost = errors.New("the presences have to be loaded anew")

const (
	// reconcileWithin is how long what the servers say may not fit together, after an election for example.
	reconcileWithin = 15 * time.Second

	readAgain    = 100 * time.Millisecond // between two consumers
	readSilence  = 500 * time.Millisecond // between two signs of life of a consumer; the second that is missing ends it
	readProgress = 2 * time.Second        // between two lines in the log about loading

	// How much a consumer sends before the reader asks for more, about. It must be more than maxPayload, and less than half of what a server has
	// for a client before it cuts that off: 64 MiB.
	readAhead    = 2 * maxPayload // bytes
	readMessages = 500
)

// run gives everything until ctx ends. It never returns nil. It may be called again unless the error is a refusal: other daemons make
// snapshots meanwhile, and remove what this one was about to read.
func (r *reader) run(ctx context.Context) (err error) {
	r.began, r.said, r.last, r.created = time.Now(), time.Now(), time.Time{}, time.Time{}
	if r.reached, err = r.loadSnapshot(ctx); err == nil {
		err = r.follow(ctx)
	}
	switch {
	case r.caughtUp:
		return refusal{err}
	case r.dirty && ctx.Err() == nil && !final(err):
		r.dirty = false
		r.to.Reset()
	}
	return err
}

// catchUp tells that all is loaded, if it is.
func (r *reader) catchUp() {
	if r.caughtUp || r.reached < r.upTo {
		return
	}
	r.caughtUp, r.heard = true, time.Now()
	r.log.Info("store loaded", "last_entry", r.reached, "took", time.Since(r.began).Round(time.Millisecond))
	r.to.CaughtUp()
}

// follow reads entries with one consumer after the other until ctx ends, or it cannot go on.
func (r *reader) follow(ctx context.Context) error {
	var lost time.Time
	for {
		err := r.consume(ctx)
		again := time.Since(lost) < 2*answerWithin // the first time is not worth a line
		lost = time.Now()
		odd := !r.caughtUp && !r.oddSince.IsZero()
		if ctx.Err() != nil || odd || errors.Is(err, errLost) || final(err) {
			return err
		}
		r.fallBehind(err, again)
		pause(ctx, readAgain)
	}
}

// consume gives what one consumer delivers, until that ends or ctx does. It never returns nil.
func (r *reader) consume(ctx context.Context) error {
	asked := time.Now()
	next, err := r.next(ctx)
	if err != nil {
		return err
	}
	r.catchUp()
	messages, _, err := messagesOf(ctx, r.entries, r.subject, next)
	if err != nil {
		return fmt.Errorf("store: cannot read the journal: %w", err)
	}
	defer messages.Stop()
	r.answered(asked, r.awaited)
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	asking.Go(func() { r.ask(ctx) })
	for {
		msg, err := nextOf(ctx, messages)
		if err != nil {
			return fmt.Errorf("store: cannot read the journal: %w", err)
		}
		if err := r.take(msg); err != nil {
			return err
		}
	}
}

// next checks that the stream is still the one that was read from, and has all that comes next. It returns the entry to begin with. That is the last
// one given if it can be compared, else the one after it.
func (r *reader) next(ctx context.Context) (uint64, error) {
	info, err := r.entries.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("store: cannot read the journal: %w", err)
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	r.awaited = last
	if r.created.IsZero() {
		r.created, r.upTo = info.Created, last
	}
	gap := first > r.reached+1 || info.State.Msgs == 0 && last > r.reached
	switch {
	case !info.Created.Equal(r.created):
		return 0, fmt.Errorf("store: the journal was replaced by another one: %w", errLost)
	case gap && r.caughtUp:
		return 0, fmt.Errorf("store: this daemon has the journal up to entry %d, and was cut off for so long that it now begins with entry %d: %w",
			r.reached, first, errLost)
	case gap || last < r.reached && !r.caughtUp:
		return 0, r.inconsistent(fmt.Errorf("store: the snapshot stands for entry %d, and the journal has entries %d to %d: something is missing; "+
			"restore both from a backup", r.reached, first, last))
	case last < r.reached:
		return 0, r.inconsistent(fmt.Errorf("store: the journal ends with entry %d, and this daemon has had %d", last, r.reached))
	case last == r.reached:
		r.oddSince = time.Time{}
	}
	if r.last.IsZero() {
		return r.reached + 1, nil
	}
	return r.reached, nil
}

// messagesOf makes a consumer, which delivers the messages of a subject from a sequence on. It also returns how many there are now.
func messagesOf(ctx context.Context, stream jetstream.Stream, subject string, first uint64) (jetstream.MessagesContext, uint64, error) {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       first,
		FilterSubject:     subject,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: 10 * time.Second,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return nil, 0, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(readMessages, readAhead),
		jetstream.PullHeartbeat(readSilence), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	return messages, consumer.CachedInfo().NumPending, err
}

// nextOf waits for the next message. When ctx has ended there is none, also if it has been delivered.
func nextOf(ctx context.Context, messages jetstream.MessagesContext) (jetstream.Msg, error) {
	msg, err := messages.Next(jetstream.NextContext(ctx))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return msg, err
}

// take gives one entry.
func (r *reader) take(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("store: a message of the journal without its number: %w", err)
	}
	switch at := meta.Sequence.Stream; {
	case at == r.reached && r.last.Equal(meta.Timestamp):
		return nil // next asked for it
	case at == r.reached && !r.last.IsZero():
		return fmt.Errorf("store: entry %d of the journal is not the one that this daemon has had: %w", at, errLost)
	case at != r.reached+1:
		return r.inconsistent(fmt.Errorf("store: entry %d of the journal was delivered instead of %d", at, r.reached+1))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirty = true
	if err := r.to.Entry(r.reached+1, msg.Data()); err != nil {
		return refusal{err}
	}
	r.reached, r.last, r.oddSince = r.reached+1, meta.Timestamp, time.Time{}
	r.catchUp()
	r.check(time.Now())
	if !r.caughtUp {
		r.progress("store loading the journal", "entry", r.reached, "of", r.upTo)
	}
	return nil
}

// progress logs how far loading is, every two seconds.
func (r *reader) progress(text string, args ...any) {
	if time.Since(r.said) >= readProgress {
		r.said = time.Now()
		r.log.Info(text, args...)
	}
}

// inconsistent makes a refusal of an error that has lasted for too long. For a while a server that has to catch up may answer.
func (r *reader) inconsistent(err error) error {
	if r.oddSince.IsZero() {
		r.oddSince = time.Now()
	}
	if time.Since(r.oddSince) > reconcileWithin {
		return refusal{err}
	}
	return err
}
