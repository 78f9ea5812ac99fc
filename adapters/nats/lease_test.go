package nats_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/internal/natstest"
)

// holders runs Hold of one lease on several stores and knows who holds it.
type holders struct {
	t       *testing.T
	holding atomic.Int32
	most    atomic.Int32 // at the same time
	taken   chan int     // the number of the store that has got the lease
	cancels []context.CancelFunc
	running sync.WaitGroup
}

func hold(t *testing.T, stores ...*nats.Store) *holders {
	h := &holders{t: t, taken: make(chan int, 100)}
	for i, s := range stores {
		ctx, cancel := context.WithCancel(t.Context())
		h.cancels = append(h.cancels, cancel)
		h.running.Go(func() {
			s.Hold(ctx, "xmpp", func(held context.Context) {
				now := h.holding.Add(1)
				for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
				}
				h.taken <- i
				<-held.Done()
				h.holding.Add(-1)
			})
		})
	}
	t.Cleanup(func() {
		for _, cancel := range h.cancels {
			cancel()
		}
		h.running.Wait()
	})
	return h
}

// next waits until another one has got the lease.
func (h *holders) next(within time.Duration) int {
	h.t.Helper()
	select {
	case i := <-h.taken:
		return i
	case <-time.After(within):
		h.t.Fatalf("nobody has got the lease within %v", within)
		return 0
	}
}

// TestLease: one store at a time holds a lease; who gives it up is followed at once, who is cut off after a few seconds, and nobody holds it
// beside another.
func TestLease(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	open := func() *nats.Store {
		return start(t, func(c *nats.Config) { c.Dir, c.URL = "", cluster.URL() })
	}
	stores := []*nats.Store{open(), open(), open()}
	h := hold(t, stores...)
	first := h.next(5 * time.Second)

	began := time.Now()
	h.cancels[first]()
	second := h.next(2 * time.Second)
	t.Logf("handed over in %v", time.Since(began))
	if second == first {
		t.Fatalf("store %d has the lease again, which it has given up", first)
	}

	began = time.Now()
	stores[second].CutOff()
	third := h.next(10 * time.Second)
	t.Logf("taken from a daemon that was cut off in %v", time.Since(began))
	if third == second || third == first {
		t.Errorf("store %d has the lease now, after %d and %d", third, first, second)
	}
	if most := h.most.Load(); most != 1 {
		t.Errorf("%d stores held the lease at the same time", most)
	}
}

// TestLeaseIsGivenUpWhileItIsRenewed: the server has not answered to a renewal yet when the daemon stops. The next one does not wait until the
// lease becomes free by itself.
func TestLeaseIsGivenUpWhileItIsRenewed(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	h := hold(t, joined(t, cluster.URL(), 1, nil), joined(t, cluster.URL(), 1, nil))
	first := h.next(5 * time.Second)
	cluster.Servers[0].Freeze()
	time.Sleep(1700 * time.Millisecond) // it renews every 1.5 seconds
	h.cancels[first]()
	time.Sleep(100 * time.Millisecond)
	cluster.Servers[0].Thaw()
	if second := h.next(2 * time.Second); second == first {
		t.Errorf("store %d has the lease again, which it has given up", first)
	}
}

// TestLeaseAlone: a store of one daemon holds every lease at once.
func TestLeaseAlone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	start(t, nil).Hold(ctx, "xmpp", func(held context.Context) {
		cancel()
		<-held.Done()
	})
}
