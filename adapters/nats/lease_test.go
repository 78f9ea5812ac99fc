package nats_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// holders runs Hold of one lease on several daemons and knows who holds it.
type holders struct {
	t       *testing.T
	holding atomic.Int32
	most    atomic.Int32 // at the same time
	taken   chan int     // the number of the daemon that has got the lease
	causes  chan error   // why a daemon's work has ended
	cancels []context.CancelFunc
	running sync.WaitGroup
}

func hold(t *testing.T, daemons ...*daemon) *holders {
	h := &holders{t: t, taken: make(chan int, 100), causes: make(chan error, 100)}
	for i, d := range daemons {
		ctx, cancel := context.WithCancel(t.Context())
		h.cancels = append(h.cancels, cancel)
		h.running.Go(func() {
			d.Hold(ctx, "xmpp", func(held context.Context) {
				now := h.holding.Add(1)
				for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
				}
				h.taken <- i
				<-held.Done()
				h.causes <- context.Cause(held)
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

// TestLease: one daemon at a time holds a lease; who gives it up is followed at once, who is cut off after a few seconds, and nobody holds it
// beside another.
func TestLease(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	daemons := []*daemon{open(t, cluster.URL(), nil), open(t, cluster.URL(), nil), open(t, cluster.URL(), nil)}
	h := hold(t, daemons...)
	first := h.next(5 * time.Second)

	began := time.Now()
	h.cancels[first]()
	second := h.next(2 * time.Second)
	t.Logf("handed over in %v", time.Since(began))
	if second == first {
		t.Fatalf("daemon %d has the lease again, which it has given up", first)
	}
	<-h.causes

	began = time.Now()
	daemons[second].CutOff()
	third := h.next(10 * time.Second)
	t.Logf("taken from a daemon that was cut off in %v", time.Since(began))
	if third == second || third == first {
		t.Errorf("daemon %d has the lease now, after %d and %d", third, first, second)
	}
	if cause := <-h.causes; !errors.Is(cause, ports.ErrLeaseLost) {
		t.Errorf("the work of the daemon that was cut off has ended with %v, want ErrLeaseLost", cause)
	}
	if most := h.most.Load(); most != 1 {
		t.Errorf("%d daemons held the lease at the same time", most)
	}
}

// TestLeaseIsGivenUpWhileItIsRenewed: the server has not answered to a renewal yet when the daemon stops. The next one does not wait until the
// lease becomes free by itself.
func TestLeaseIsGivenUpWhileItIsRenewed(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	h := hold(t, open(t, cluster.URL(), nil), open(t, cluster.URL(), nil))
	first := h.next(5 * time.Second)
	cluster.Servers[0].Freeze()
	time.Sleep(1700 * time.Millisecond) // it renews every 1.5 seconds
	h.cancels[first]()
	time.Sleep(100 * time.Millisecond)
	cluster.Servers[0].Thaw()
	if second := h.next(2 * time.Second); second == first {
		t.Errorf("daemon %d has the lease again, which it has given up", first)
	}
}

// TestLeaseWithoutAJournal: who holds a lease loses it soon when Follow ends, and gets none before Follow or after it.
func TestLeaseWithoutAJournal(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	d := open(t, cluster.URL(), nil)
	h := hold(t, d)
	h.next(5 * time.Second)
	d.close()
	select {
	case cause := <-h.causes:
		if !errors.Is(cause, ports.ErrLeaseLost) {
			t.Errorf("the work has ended with %v, want ErrLeaseLost", cause)
		}
	case <-time.After(4 * time.Second):
		t.Error("the lease is held without a journal")
	}
	cluster.Servers[0].Kill()
	waiting := launch(t, cluster.URL(), nil) // it waits for the server
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	for _, d := range []*daemon{d, waiting} {
		d.Hold(ctx, "irc", func(context.Context) { t.Error("a lease was taken without a journal") })
	}
}
