package nats

import (
	"context"
	"errors"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/ports"
)

var _ ports.Leases = (*Journal)(nil)

// A lease is a key of the bucket. Its holder renews it by writing its own name, and gives it up by writing nothing. Nobody compares clocks: the
// holder stops leaseEnds after it has sent the last renewal that was confirmed, and others take the lease leaseFree after they have seen
// that renewal, which is later by at least the difference.
const (
	leaseEvery = 1500 * time.Millisecond // between two renewals
	leaseEnds  = 5 * time.Second
	leaseFree  = 6 * time.Second
	leaseLook  = 250 * time.Millisecond // between two looks at a lease that another daemon holds
	leaseReply = time.Second            // how long the servers may take to answer
)

// lease is this daemon's view of one.
type lease struct {
	*streams
	node     string // this daemon's
	key      string
	sequence uint64 // of the last value seen
	seen     time.Time
	sent     time.Time // of the last renewal that was confirmed
}

// Hold implements ports.Leases. Before Follow has opened the journal, and after it has ended, it holds nothing.
func (j *Journal) Hold(ctx context.Context, name string, work func(context.Context)) {
	select {
	case <-j.opened:
	case <-ctx.Done():
		return
	}
	l := &lease{streams: j.streams, node: j.node, key: "lease." + name}
	for ctx.Err() == nil {
		if !l.take(ctx) {
			pause(ctx, leaseLook)
			continue
		}
		j.log.Info("lease taken: this daemon does this now", "lease", name)
		if lost := l.during(ctx, work); lost {
			j.log.Warn("lease lost: another daemon may do this now", "lease", name)
		}
	}
}

// during calls work while the lease is renewed, and gives it up afterwards, unless it is lost.
func (l *lease) during(ctx context.Context, work func(context.Context)) (lost bool) {
	holding, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	// The timer does not depend on the goroutine below, which may be waiting for an answer.
	expiry := time.AfterFunc(time.Until(l.sent.Add(leaseEnds)), func() { lose(ports.ErrLeaseLost) })
	defer expiry.Stop()
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for pause(holding, leaseEvery); holding.Err() == nil; pause(holding, leaseEvery) {
			switch err := l.renew(context.WithoutCancel(holding), l.node); { // to be given up it must be known how far it is
			case err == nil:
				expiry.Reset(time.Until(l.sent.Add(leaseEnds)))
			case errors.Is(err, ports.ErrLeaseLost), errors.Is(err, natsgo.ErrConnectionClosed): // the second: Follow has ended
				lose(ports.ErrLeaseLost)
			}
		}
	})
	work(holding)
	lost = errors.Is(context.Cause(holding), ports.ErrLeaseLost)
	lose(nil)
	renewing.Wait()
	if !lost {
		_ = l.renew(context.WithoutCancel(ctx), "") // else it becomes free by itself
	}
	return lost
}

// take tries to get the lease, and reports whether it did.
func (l *lease) take(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, leaseReply)
	defer cancel()
	holder, err := l.look(ctx)
	free := holder == "" || holder == l.node || time.Since(l.seen) >= leaseFree
	return err == nil && free && l.write(ctx, l.node) == nil
}

// renew confirms the lease, or gives it up with an empty node. Any error but ErrLeaseLost means that nothing is known: the servers have
// not answered.
func (l *lease) renew(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, leaseReply)
	defer cancel()
	err := l.write(ctx, node)
	if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return err
	}
	switch holder, err := l.look(ctx); { // an earlier renewal of ours may have arrived without an answer
	case err != nil:
		return err
	case holder != l.node:
		return ports.ErrLeaseLost
	}
	return l.write(ctx, node)
}

// look returns who holds the lease: nobody if it is empty.
func (l *lease) look(ctx context.Context) (holder string, err error) {
	value, sequence, err := l.get(ctx, l.key)
	if err == nil && (sequence != l.sequence || l.seen.IsZero()) {
		l.sequence, l.seen = sequence, time.Now()
	}
	return string(value), err
}

// write replaces the value that was seen last.
func (l *lease) write(ctx context.Context, holder string) error {
	sent := time.Now()
	sequence, err := l.values.Update(ctx, l.key, []byte(holder), l.sequence)
	if err != nil {
		return err
	}
	l.sequence, l.seen, l.sent = sequence, sent, sent
	return nil
}
