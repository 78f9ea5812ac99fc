package nats

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/domain"
)

// reader takes what is in the bucket into the image in memory. If nobody else writes, it is needed only for loading.
type reader struct {
	store    *Store
	consumer jetstream.ConsumeContext
	loaded   chan struct{} // closed when all that was there is in memory

	// The rest belongs to the consumer's goroutine.
	taken   uint64           // messages
	done    bool             // loaded is closed
	recent  domain.Timestamp // from when on the engine remembers what was removed
	since   domain.Revision  // the first message after recent
	refused int
}

// load takes in all that is in the bucket, and says how far it is if that takes long. In a cluster the reader goes on with what
// comes.
func (s *Store) load(ctx context.Context) (*reader, error) {
	stream := s.bucket.stream
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: cannot read the bucket: %w", err)
	}
	now := time.Now()
	r := &reader{store: s, loaded: make(chan struct{}), recent: domain.Timestamp(now.Add(-tombstoneLife + time.Minute).UnixNano())}
	ordered, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, fmt.Errorf("store: cannot read the bucket: %w", err)
	}
	if info.State.Msgs == 0 {
		r.finish(info.State.LastSeq)
	}
	if r.consumer, err = ordered.Consume(r.take, jetstream.PullMaxMessages(pullAhead)); err != nil {
		return nil, fmt.Errorf("store: cannot read the bucket: %w", err)
	}
	if err := r.waitLoaded(ctx, info.State.Msgs, now); err != nil {
		r.close()
		return nil, err
	}
	if s.writer.alone {
		r.close()
	}
	return r, nil
}

// pullAhead is how many messages are asked for ahead of need.
const pullAhead = 5000

// waitLoaded waits until everything is in memory, and logs how far it is every two seconds.
func (r *reader) waitLoaded(ctx context.Context, total uint64, began time.Time) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-r.loaded:
			r.store.log.Info("store loaded", "presences", total, "took", time.Since(began).Round(time.Millisecond))
			return nil
		case <-ticker.C:
			r.store.log.Info("store loading", "presences", r.progress(), "of", total)
		case <-ctx.Done():
			return fmt.Errorf("store: loading the bucket: %w", ctx.Err())
		}
	}
}

// progress is how many messages have been taken in.
func (r *reader) progress() uint64 {
	r.store.Lock()
	defer r.store.Unlock()
	return r.taken
}

// take takes one message into the image.
func (r *reader) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		r.refuse(msg, err)
		return
	}
	sequence := meta.Sequence.Stream
	if err := r.show(msg, sequence, domain.Timestamp(meta.Timestamp.UnixNano())); err != nil {
		r.refuse(msg, err)
	}
	if r.done {
		r.store.writer.seen(sequence)
	} else if meta.NumPending == 0 {
		r.finish(sequence)
	}
}

// show makes a message's presence visible.
func (r *reader) show(msg jetstream.Msg, sequence uint64, at domain.Timestamp) error {
	protocol, user, err := parseKey(strings.TrimPrefix(msg.Subject(), r.store.bucket.subject))
	if err != nil {
		return err
	}
	p := domain.Presence{Protocol: protocol, Since: at, Updated: at, Revision: domain.Revision(sequence), Gone: true}
	if header := msg.Headers(); header.Get(headerOperation) == "" && header.Get(headerMarker) == "" {
		if p, err = parseRecord(protocol, msg.Data(), sequence); err != nil {
			return err
		}
	}
	r.store.Lock()
	defer r.store.Unlock()
	r.taken++
	if !r.done && r.since == 0 && at > r.recent {
		r.since = domain.Revision(sequence)
	}
	if r.store.Find(user, protocol).Version < sequence {
		r.store.PutVersion(user, p, sequence)
	}
	return nil
}

// finish notes that all is loaded, up to this message. What was removed before the engine's memory of it is not known.
func (r *reader) finish(sequence uint64) {
	r.done = true
	r.store.Lock()
	if r.since == 0 {
		r.since = domain.Revision(sequence + 1)
	}
	r.store.Compact(r.since - 1)
	r.store.Unlock()
	r.store.writer.seen(sequence)
	close(r.loaded)
}

// maxRefused is how many messages that are no presences are logged.
const maxRefused = 20

// refuse ignores a message that is none of ours.
func (r *reader) refuse(msg jetstream.Msg, err error) {
	if r.refused++; r.refused <= maxRefused {
		r.store.log.Warn("store: ignoring what is not a presence", "key", msg.Subject(), "err", err)
	}
}

// close ends the reader, and waits for it.
func (r *reader) close() {
	if r.consumer == nil {
		return
	}
	r.consumer.Stop()
	<-r.consumer.Closed()
	r.consumer = nil
}
