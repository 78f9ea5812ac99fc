// Package events tells subscribers how the states of users change, as server-sent events (HTML Living Standard, 9.2). The HTTP adapter hands
// it the connections of those who have asked, and is rid of them.
//
// One goroutine follows the feed and puts each new state in a ring. A few others, the shards, each own a part of the subscribers and write to
// their connections, without ever waiting for one: a connection that takes no more is left to a goroutine of its own until it does, and goes on
// with what is the latest then. So nobody who reads slowly costs anybody else anything, or is dropped, or gets what is out of date.
//
// A subscriber's place in the changes is a revision, up to which it has been told everything. Whoever begins, comes back, or was left behind by
// the ring is told from the feed what has changed after its revision and up to that of the ring's place at which its shard is, and then goes on
// in the ring.
package events

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Settings are what tests and the server set differently.
type Settings struct {
	Heartbeat time.Duration // after so much silence a subscriber is sent a comment
	Patience  time.Duration // how long somebody who knows more than this daemon waits for it
	Parting   time.Duration // how long a stalled reader has to take what there is, once its stream is to end
	Farewell  time.Duration // the same when the hub stops
	Ring      int           // how many entries are kept
	Batch     int           // how many bytes are written to a connection at once, or little more
	Shards    int
}

// DefaultSettings are what the server uses.
func DefaultSettings() Settings {
	return Settings{
		Heartbeat: 15 * time.Second,
		Patience:  2 * time.Second,
		Parting:   5 * time.Second,
		Farewell:  400 * time.Millisecond,
		Ring:      1 << 14,
		Batch:     64 << 10,
		Shards:    runtime.GOMAXPROCS(0),
	}
}

// Hub tells the subscribers. Its methods may be called concurrently.
type Hub struct {
	settings Settings
	feed     ports.Feed
	log      *slog.Logger

	ring   *ring
	head   atomic.Uint64 // a domain.Revision: all changes up to it have been put in the ring, or were there before
	shards []*shard
	next   atomic.Uint32 // whose turn it is to get a subscriber
	scans  chan struct{} // holds a token for each reading of all users that is under way

	ctx     context.Context //nolint:containedctx // of the hub's goroutines: it ends with Stop
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	started bool
	stopped bool
}

// New makes a hub that does nothing until it has a subscriber.
func New(settings Settings, feed ports.Feed, log *slog.Logger) *Hub {
	h := &Hub{
		settings: settings,
		feed:     feed,
		log:      log,
		ring:     newRing(settings.Ring),
		scans:    make(chan struct{}, settings.Shards),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Subscription is what somebody has asked for.
type Subscription struct {
	Head  []byte           // the head of the HTTP response, to be sent first
	Users []domain.UserID  // whose states; each once
	All   bool             // everybody's, and Users does not count
	Since domain.Revision  // what the subscriber knows already
	Lost  bool             // it knows something, but from somewhere else
	Until domain.Timestamp // when the stream ends
}

var errStopped = errors.New("the hub has stopped")

// Serve tells a subscriber over its connection, which it closes, until either end has enough, and returns then. It returns at once if the
// hub has stopped. Whatever the client sends is ignored.
func (h *Hub) Serve(conn *net.TCPConn, s *Subscription) {
	defer func() { _ = conn.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil || h.start() != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	_ = conn.SetWriteBuffer(sendBuffer)
	if s.Since > 0 && !s.Lost {
		s.Lost = !h.reaches(s.Since)
	}
	sub := &subscriber{conn: conn, raw: raw, all: s.All, until: s.Until}
	shard := h.shards[int(h.next.Add(1))%len(h.shards)]
	if !shard.post(message{kind: join, sub: sub, subscription: s}) {
		return
	}
	sub.listen()
	shard.post(message{kind: leave, sub: sub})
}

// sendBuffer is how much the kernel keeps for a subscriber who does not read, in bytes: what is in there cannot be brought up to date.
const sendBuffer = 128 << 10

// reaches reports whether this daemon knows everything up to a revision now, or will soon: somebody may have heard of it from another
// daemon.
func (h *Hub) reaches(since domain.Revision) bool {
	if domain.Revision(h.head.Load()) >= since {
		return true
	}
	late := time.NewTimer(h.settings.Patience)
	defer late.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if domain.Revision(h.head.Load()) >= since {
				return true
			}
		case <-late.C:
			return false
		case <-h.ctx.Done():
			return false
		}
	}
}

// start begins to follow the feed, if that was not done before. The feed is complete by then: nobody could subscribe otherwise.
func (h *Hub) start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped:
		return errStopped
	case h.started:
		return nil
	}
	h.started = true
	following := h.feed.Follow()
	head := h.feed.Revision() // of the changes up to here those that come also from the feed are ignored
	h.head.Store(uint64(head))
	for range h.settings.Shards {
		s := newShard(h, head)
		h.shards = append(h.shards, s)
		h.running.Go(s.run)
	}
	h.running.Go(func() { h.follow(following) })
	return nil
}

// follow relays the feed, over and over, until the hub stops.
func (h *Hub) follow(following ports.Following) {
	const first, longest = 50 * time.Millisecond, 5 * time.Second
	pause := first
	for {
		began := time.Now()
		err := h.relay(following)
		following.Close()
		if h.ctx.Err() != nil {
			return
		}
		if time.Since(began) > longest {
			pause = first
		}
		h.log.Warn("the live changes were interrupted; subscribers go on from what they know", "err", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
			return
		}
		pause = min(2*pause, longest)
		following = h.feed.Follow()
		h.put(&entry{kind: gap, state: domain.State{Revision: max(h.feed.Revision(), domain.Revision(h.head.Load()))}})
	}
}

// relay puts the changes in the ring, until the following ends.
func (h *Hub) relay(following ports.Following) error {
	for {
		states, head, err := following.Next(h.ctx)
		if err != nil {
			return err
		}
		last := domain.Revision(h.head.Load())
		for i := range states {
			if states[i].Revision > last {
				last = states[i].Revision
				h.ring.append(&entry{state: states[i]})
			}
		}
		if head > last {
			last = head
			h.ring.append(&entry{kind: mark, state: domain.State{Revision: head}})
		}
		h.advance(last)
	}
}

func (h *Hub) put(e *entry) {
	h.ring.append(e)
	h.advance(e.state.Revision)
}

func (h *Hub) advance(head domain.Revision) {
	h.head.Store(uint64(head))
	for _, s := range h.shards {
		s.notify()
	}
}

// Stop ends all streams with an event that says so and returns when that is done, within Settings.Farewell or little more. There is nothing to
// be had from the hub afterwards. Stopping again does nothing.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.cancel()
	for _, s := range h.shards {
		s.post(message{kind: stop})
	}
	h.running.Wait()
}
