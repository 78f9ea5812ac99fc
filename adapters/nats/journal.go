// Package nats is the journal that several daemons share: a stream of entries and a key-value bucket in a NATS JetStream cluster. The daemon
// uses it with store.kind nats.
//
// Every daemon publishes its entries to the stream and reads all of them back in the stream's order, so an entry's number is its
// sequence in the stream. A snapshot is some pieces under keys of the bucket, and a manifest, which is written last. Then the
// stream is purged up to the snapshot before, so that a daemon that lags behind finds what it needs. Leases are keys of the bucket too.
package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/ports"
)

var _ ports.Journal = (*Journal)(nil)

// Journal implements ports.Journal and ports.Leases. Its connection exists while Follow runs.
type Journal struct {
	config Config
	log    *slog.Logger
	node   string       // tells this daemon's leases from those of others
	limit  atomic.Int64 // the largest entry or piece, in bytes

	opened  chan struct{} // closed when streams can be used
	streams *streams
	ended   chan struct{} // closed when Follow has returned
}

// New makes a journal of a valid configuration. Nothing happens before Follow.
func New(config Config, log *slog.Logger) *Journal {
	return &Journal{config: config, log: log, node: rand.Text(), opened: make(chan struct{}), ended: make(chan struct{})}
}

// Follow implements ports.Journal. It waits for a cluster that does not answer until ctx ends, and refuses at once what will not pass: wrong
// credentials, for example. A caller of Hold gives its lease up before Follow ends, or others wait some seconds for it.
func (j *Journal) Follow(ctx context.Context, to ports.Replay) error {
	ctx, cancel := context.WithCancel(ctx)
	defer close(j.ended)
	defer cancel()
	var js jetstream.JetStream
	err := j.await(ctx, func() (err error) {
		js, err = j.connect(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	defer cancel() // first: to close a connection to a frozen server takes two seconds
	err = j.await(ctx, func() (err error) {
		j.streams, err = openStreams(ctx, js, j.config)
		return err
	})
	if err != nil {
		return err
	}
	close(j.opened)
	r := &reader{streams: j.streams, log: j.log, to: to}
	return j.await(ctx, func() error { return r.run(ctx) })
}

// Shared implements ports.Journal.
func (*Journal) Shared() bool { return true }

// Limit implements ports.Journal.
func (j *Journal) Limit() int { return int(j.limit.Load()) }

const (
	appendWithin = 2 * time.Second // how long the servers may take to keep an entry
	answerWithin = 2 * time.Second // how long they may take to answer any other question, if nothing else is said
)

// Append implements ports.Journal. It waits two seconds for the servers' answer, and twice as long if they accept no bytes.
func (j *Journal) Append(ctx context.Context, entry []byte) error {
	if limit := j.Limit(); len(entry) > limit {
		return fmt.Errorf("%w: %d bytes, and the NATS servers take %d (max_payload)", ports.ErrTooLarge, len(entry), limit)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	if !j.streams.js.Conn().IsConnected() {
		return fmt.Errorf("%w: there is no connection to NATS", ports.ErrUnavailable)
	}
	// The library would publish once more by itself if there is no stream. Whether that is right is for the caller to decide.
	answer, err := j.streams.js.PublishAsync(j.streams.subject, entry, jetstream.WithRetryAttempts(0))
	switch {
	case errors.Is(err, natsgo.ErrMaxPayload): // of the server that the connection has now
		return fmt.Errorf("%w: %w", ports.ErrTooLarge, err)
	case errors.Is(err, natsgo.ErrReconnectBufExceeded), errors.Is(err, natsgo.ErrConnectionClosed):
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	case err != nil:
		return fmt.Errorf("store: it is not known whether an entry was sent: %w", err)
	}
	select {
	case <-answer.Ok():
		return nil
	case err := <-answer.Err():
		return j.unanswered(err)
	case <-ctx.Done():
		return j.unanswered(ctx.Err())
	case <-j.ended:
		return j.unanswered(natsgo.ErrConnectionClosed)
	}
}

// unanswered tells an entry that is surely not kept from one that may be. If a leader refuses an entry because its disk is full, for
// example, the other replicas may have kept it.
func (j *Journal) unanswered(err error) error {
	var refused *jetstream.APIError
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.As(err, &refused) && j.config.Replicas == 1 {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return fmt.Errorf("store: it is not known whether an entry was kept: %w", err)
}
