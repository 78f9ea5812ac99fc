// Package nats keeps presences in NATS JetStream: in an engine of its own inside this process, or in a cluster that several daemons share. What
// Apply has acknowledged survives a killed process. The daemon uses it with store.kind nats.
//
// Every write goes into a journal, a stream of entries that each hold the writes of as many callers as were waiting. Every daemon takes the
// journal's entries into an image in its memory (adapters/internal/replica), in the same order and by the same rule, so all images
// are the same at the same entry, and compare-and-set needs nobody to decide. Reads are served from the image. From time to time
// the whole image goes into a key-value bucket, and what the journal held before goes away.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/adapters/internal/replica"
	"github.com/zarafa/presence/ports"
)

var _ ports.Store = (*Store)(nil)

// Store implements ports.Store. Until Start has returned it is empty, and takes no writes.
type Store struct {
	*replica.Replica
	reached uint64 // the last entry that the image has taken in; the replica's lock guards it

	catching sync.Mutex // held by catchUp, so that it takes each entry once

	config Config
	log    *slog.Logger

	engine    *embedded // nil if there is a cluster
	conn      *natsgo.Conn
	payload   atomic.Int64 // how large a message the engine takes, in bytes
	streams   *streams
	writer    *writer
	reader    *reader
	snapshots *snapshots

	failed chan error // holds why the store cannot go on

	running    sync.WaitGroup
	background context.Context //nolint:containedctx // of what runs from Start to Stop
	stop       context.CancelFunc
}

// New makes a store of a valid configuration, but Retain may be zero too: then nothing is removed. Nothing happens before Start.
func New(config Config, log *slog.Logger) *Store {
	return &Store{Replica: replica.New(), config: config, log: log, failed: make(chan error, 1)}
}

// Start opens the store, creating it if there is none, and returns when all of it is in memory. With millions of users that takes a
// while, and it logs how far it is. A cluster that does not answer it waits for, until ctx ends.
func (s *Store) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			_ = s.Stop(context.WithoutCancel(ctx))
		}
	}()
	s.background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.startEngine(); err != nil {
		return err
	}
	if err := s.await(ctx, s.connect); err != nil {
		return err
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	err = s.await(ctx, func() (err error) {
		s.streams, err = openStreams(ctx, js, s.config)
		return err
	})
	if err != nil {
		return err
	}
	if s.engine != nil {
		if err := s.engine.dir.used(); err != nil {
			return fmt.Errorf("store.dir: %w", err)
		}
	}
	if s.writer, err = newWriter(s); err != nil {
		return err
	}
	s.snapshots = newSnapshots(s)
	began := time.Now()
	if err := s.await(ctx, func() error { return s.load(ctx, began) }); err != nil {
		return err
	}
	s.running.Go(func() { s.writer.run(s.background) })
	s.running.Go(func() { s.snapshots.run(s.background) })
	if s.config.Retain > 0 {
		s.running.Go(func() { s.forgetOld(s.background) })
	}
	if s.engine != nil {
		s.running.Go(s.lookAfterEngine)
		s.conn.SetReconnectHandler(func(conn *natsgo.Conn) { //nolint:contextcheck // it outlives the start
			s.reconnected(conn)
			s.writer.missed.Store(true)
			s.writer.recoverSent(errLostAnswer) // it went to the connection before
		})
	}
	if s.reader != nil {
		s.running.Go(func() { s.reader.watch(s.background) })
	}
	return nil
}

// startEngine starts the engine if it is to be in this process.
func (s *Store) startEngine() error {
	if s.config.URL != "" {
		return nil
	}
	dir, err := s.config.Directory()
	if err != nil {
		return fmt.Errorf("store.dir: %w", err)
	}
	s.engine, err = startEmbedded(dir, s.config.Sync == syncAlways, s.log)
	return err
}

// Failed yields an error if the store cannot go on: what it has in memory is not true any more. The daemon has to start again then.
func (s *Store) Failed() <-chan error { return s.failed }

// lost makes the store fail: it writes nothing any more, its snapshots neither.
func (s *Store) lost(err error) {
	s.log.Error("store degraded: it cannot go on", "err", err)
	s.stop()
	s.writer.close()
	select {
	case s.failed <- err:
	default:
	}
}

// Stop ends everything, and may be called again. What Apply has acknowledged is on the disk, or in the hands of the operating system, already.
func (s *Store) Stop(context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	if s.writer != nil {
		s.writer.close()
	}
	s.running.Wait()
	if s.reader != nil {
		s.reader.close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	engine := s.engine
	if s.engine = nil; engine != nil {
		return engine.stop()
	}
	return nil
}

// applyWithin is how long Apply waits for the engine, at most: from when the first of the callers whose writes go together has come.
const applyWithin = 2 * time.Second

var errNoAnswer = errors.New("the store has not answered in time")

// Apply implements ports.Store. It returns within two seconds.
func (s *Store) Apply(ctx context.Context, writes []ports.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.writer == nil {
		return ports.ErrUnavailable
	}
	g, before, err := s.writer.begin(writes)
	switch {
	case before != nil: // one of the presences is being written: the caller has to see what comes of it
		if err := before.wait(ctx); err != nil {
			return err
		}
		return ports.ErrConflict
	case err != nil || g == nil:
		return err
	}
	err = g.commit.wait(ctx)
	if err == nil && g.rejected {
		return ports.ErrConflict
	}
	return err
}
