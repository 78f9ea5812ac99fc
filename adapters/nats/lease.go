package nats

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/ports"
)

var _ ports.Leases = (*Store)(nil)

// A lease is a key of the bucket, which its holder renews. Nobody compares clocks: the holder stops leaseEnds after it has sent the last
// renewal that was confirmed, and others take the lease leaseFree after they have seen that renewal, which is later by at least
// the difference.
const (
	leaseEvery = 1500 * time.Millisecond // between two renewals
	leaseEnds  = 5 * time.Second
	leaseFree  = 6 * time.Second
	leaseLook  = 250 * time.Millisecond // between two looks at a lease that another daemon holds
	leaseReply = time.Second            // how long the engine may take to answer
)

// leaseText is what a lease's key holds. An empty node: it was given up.
type leaseText struct {
	Node string `json:"node"`
}

// lease is this daemon's view of one.
type lease struct {
	store    *Store
	key      string // the subject
	sequence uint64 // of the last text seen
	seen     time.Time
	sent     time.Time // of the last renewal that was confirmed
}

// Hold implements ports.Leases.
func (s *Store) Hold(ctx context.Context, name string, work func(context.Context)) {
	if s.engine != nil {
		work(ctx)
		return
	}
	l := &lease{store: s, key: s.streams.keys + "lease." + name}
	for ctx.Err() == nil {
		if !l.take(ctx) {
			pause(ctx, leaseLook)
			continue
		}
		s.log.Info("this daemon collects now", "source", name)
		l.during(ctx, work)
		if ctx.Err() == nil {
			s.log.Warn("another daemon may collect now: the lease could not be kept", "source", name)
		}
	}
}

// during calls work while the lease is renewed, and gives it up afterwards, unless it is lost.
func (l *lease) during(ctx context.Context, work func(context.Context)) {
	holding, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	// The timer does not depend on the goroutine below, which may be waiting for an answer.
	expiry := time.AfterFunc(time.Until(l.sent.Add(leaseEnds)), func() { lose(ports.ErrLeaseLost) })
	defer expiry.Stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause(holding, leaseEvery); holding.Err() == nil; pause(holding, leaseEvery) {
			switch err := l.renew(context.WithoutCancel(holding), l.store.writer.node); { // to be given up it must be known how far it is
			case err == nil:
				expiry.Reset(time.Until(l.sent.Add(leaseEnds)))
			case errors.Is(err, ports.ErrLeaseLost):
				lose(err)
			}
		}
	}()
	work(holding)
	lost := errors.Is(context.Cause(holding), ports.ErrLeaseLost)
	lose(nil)
	<-ended
	if !lost {
		_ = l.renew(context.WithoutCancel(ctx), "") // else it becomes free by itself
	}
}

// take tries to get the lease, and reports whether it did.
func (l *lease) take(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, leaseReply)
	defer cancel()
	text, sequence, err := l.read(ctx)
	if err != nil {
		return false
	}
	if sequence != l.sequence || l.seen.IsZero() {
		l.sequence, l.seen = sequence, time.Now()
	}
	free := sequence == 0 || text.Node == "" || text.Node == l.store.writer.node
	if !free && time.Since(l.seen) < leaseFree {
		return false
	}
	return l.write(ctx, l.store.writer.node) == nil
}

// renew confirms the lease, or gives it up with an empty node. Any error but ErrLeaseLost means that nothing is known: the engine has not answered.
func (l *lease) renew(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, leaseReply)
	defer cancel()
	err := l.write(ctx, node)
	if !overtaken(err) {
		return err
	}
	text, sequence, err := l.read(ctx) // an earlier renewal of ours may have arrived without an answer
	switch {
	case err != nil:
		return err
	case text.Node != l.store.writer.node:
		return ports.ErrLeaseLost
	}
	l.sequence = sequence
	return l.write(ctx, node)
}

// write replaces the text that was seen last.
func (l *lease) write(ctx context.Context, node string) error {
	text, err := json.Marshal(leaseText{node})
	if err != nil {
		return err
	}
	sent := time.Now()
	ack, err := l.store.streams.js.Publish(ctx, l.key, text, jetstream.WithExpectLastSequencePerSubject(l.sequence), jetstream.WithRetryAttempts(0))
	if err != nil {
		return err
	}
	l.sequence, l.seen, l.sent = ack.Sequence, sent, sent
	return nil
}

// read returns the text as the stream's leader has it: zeros if there is none.
func (l *lease) read(ctx context.Context) (text leaseText, sequence uint64, err error) {
	msg, err := l.store.streams.bucket.GetLastMsgForSubject(ctx, l.key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return text, 0, nil
	}
	if err != nil {
		return text, 0, err
	}
	return text, msg.Sequence, json.Unmarshal(msg.Data, &text)
}

// pause waits for d, or for ctx to end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
