// Package nats keeps presences in a key-value bucket of NATS JetStream: in an engine of its own inside this process, or in a cluster that
// several daemons share. What Apply has acknowledged survives a killed process. The daemon uses it with store.kind nats.
//
// Reads are served from this process' memory (adapters/internal/replica), which is an image of the bucket: a revision is the number
// of the message in the bucket's stream, so it is the same in every daemon.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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

	config Config
	log    *slog.Logger

	engine *embedded // nil if the bucket is in a cluster
	conn   *natsgo.Conn
	bucket *bucket
	writer *writer
	reader *reader

	running sync.WaitGroup
	stop    context.CancelFunc
}

// New makes a store of a valid configuration. Nothing happens before Start.
func New(config Config, log *slog.Logger) *Store {
	return &Store{Replica: replica.New(), config: config, log: log}
}

// Start opens the bucket, creating it if it is not there, and returns when all of it is in memory. With millions of users that
// takes a while, which it logs.
func (s *Store) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			_ = s.Stop(context.WithoutCancel(ctx))
		}
	}()
	if err := s.connect(); err != nil {
		return err
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if s.bucket, err = openBucket(ctx, js, s.config, s.engine); err != nil {
		return err
	}
	if s.writer, err = newWriter(s); err != nil {
		return err
	}
	if s.reader, err = s.load(ctx); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.running.Go(func() { s.writer.run(background) })
	s.running.Go(func() { s.forgetOld(background) })
	return nil
}

// connect starts the engine if it is in this process, and connects to it or to the cluster.
func (s *Store) connect() error {
	options := []natsgo.Option{
		natsgo.Name("zarafa-presence"),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(200 * time.Millisecond),
		natsgo.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		natsgo.ReconnectBufSize(-1), // what cannot be sent now is refused now
		natsgo.Timeout(5 * time.Second),
		natsgo.PingInterval(2 * time.Second), // so that a frozen server is noticed
		natsgo.MaxPingsOutstanding(2),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil {
				s.log.Warn("store degraded: the connection to NATS is lost; reads go on from memory, writes are refused", "err", err)
			}
		}),
		natsgo.ReconnectHandler(func(c *natsgo.Conn) { s.log.Info("store connected again", "server", c.ConnectedUrlRedacted()) }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { s.log.Warn("store: NATS", "err", err) }),
	}
	address := s.config.URL
	if address == "" {
		dir, err := s.config.directory()
		if err != nil {
			return fmt.Errorf("store.dir: %w", err)
		}
		if s.engine, err = startEmbedded(dir, s.config.Sync == syncAlways, s.log); err != nil {
			return err
		}
		options = append(options, s.engine.connect())
	}
	if s.config.Credentials != "" {
		options = append(options, natsgo.UserCredentials(s.config.Credentials))
	}
	if s.config.CAFile != "" {
		options = append(options, natsgo.RootCAs(s.config.CAFile))
	}
	conn, err := natsgo.Connect(address, options...)
	if err != nil {
		return fmt.Errorf("store: cannot connect to NATS: %w", err)
	}
	s.conn = conn
	return nil
}

// Stop ends everything. What Apply has acknowledged is on the disk, or in the hands of the operating system, already.
func (s *Store) Stop(context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()
	if s.reader != nil {
		s.reader.close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	if s.writer != nil {
		s.writer.close()
	}
	if s.engine != nil {
		return s.engine.stop()
	}
	return nil
}

// applyWithin is how long Apply waits for the engine.
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
	deadline := time.NewTimer(applyWithin)
	defer deadline.Stop()
	c, before, err := s.writer.begin(writes)
	switch {
	case before != nil: // one of the presences is being written: the caller has to see what comes of it
		if err := before.wait(ctx, deadline.C); errors.Is(err, errNoAnswer) {
			return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
		return ports.ErrConflict
	case err != nil || c == nil:
		return err
	}
	err = c.wait(ctx, deadline.C)
	if errors.Is(err, errNoAnswer) {
		s.writer.giveUp(c)
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return err
}
