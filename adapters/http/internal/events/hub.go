// Package events tells subscribers how the states of users change, as server-sent events (HTML Living Standard, 9.2): GET and POST of
// /v1/events. It is a measured hot path and goes below Fiber: once the head of the response is made, the hub has the connection.
//
// One goroutine follows the feed and puts each new state in a ring. A few others, the shards, each own a part of the subscribers and write to
// their connections. If a write would block, a separate goroutine finishes it, and the subscriber then goes on with what is the latest. So a slow
// reader delays nobody else, is not dropped, and does not get what is out of date.
//
// A subscriber's position is the revision up to which it has been told everything. If it is new, comes back, or was overtaken by the ring, it
// is first told from the feed what has changed since that revision, up to where its shard is in the ring, and then goes on from the ring.
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
	Heartbeat      time.Duration // a subscriber that was sent nothing for so long is sent a comment
	CatchUpTimeout time.Duration // how long a subscriber that knows a later revision than this daemon waits for it
	EndTimeout     time.Duration // how long a stalled reader has to take the rest when its stream ends
	StopTimeout    time.Duration // the same when the hub stops
	Ring           int           // how many entries are kept
	Batch          int           // about how many bytes are written to a connection at once
	Shards         int
}

// DefaultSettings are what the server uses.
func DefaultSettings() Settings {
	return Settings{
		Heartbeat:      15 * time.Second,
		CatchUpTimeout: 2 * time.Second,
		EndTimeout:     5 * time.Second,
		StopTimeout:    400 * time.Millisecond,
		Ring:           1 << 14,
		Batch:          64 << 10,
		Shards:         runtime.GOMAXPROCS(0),
	}
}

// Hub serves the subscribers. Its methods may be called concurrently.
type Hub struct {
	settings Settings
	feed     ports.Feed
	log      *slog.Logger

	ring   *ring
	head   atomic.Uint64 // a domain.Revision: all changes up to it have been put in the ring, or were there before
	shards []*shard
	next   atomic.Uint32 // which shard gets the next subscriber
	scans  chan struct{} // holds a token for each reading of all users that is in progress

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

// Subscription is what a client has asked for.
type Subscription struct {
	Head  []byte           // the head of the HTTP response, which is sent first
	Users []domain.UserID  // the users to be told about, each once
	All   bool             // all users; Users does not count
	Since domain.Revision  // up to where the subscriber knows everything
	Lost  bool             // what it knows is not of this daemon's revisions
	Until domain.Timestamp // when the stream ends
}

var errStopped = errors.New("the hub has stopped")

// Serve serves a subscriber over its connection until one of the two ends the stream. Then it closes the connection and returns. It returns at
// once if the hub has stopped. What the client sends is ignored.
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
	if !shard.post(func() { shard.join(sub, s) }) {
		return
	}
	sub.listen()
	shard.post(func() { shard.remove(sub) })
}

// sendBuffer is how much the kernel keeps for a subscriber that does not read, in bytes. What is in there cannot be brought up to date.
const sendBuffer = 128 << 10

// reaches reports whether this daemon knows everything up to a revision, now or soon: the client may have the revision from another daemon
// of the cluster.
func (h *Hub) reaches(since domain.Revision) bool {
	if domain.Revision(h.head.Load()) >= since {
		return true
	}
	late := time.NewTimer(h.settings.CatchUpTimeout)
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

// start begins to follow the feed, unless it does already. The feed is complete by then: no request is answered before.
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
	head := h.feed.Revision() // changes up to here that come from the feed as well are ignored
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
		head := max(h.feed.Revision(), domain.Revision(h.head.Load()))
		h.ring.append(&entry{kind: gap, state: domain.State{Revision: head}})
		h.advance(head)
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

func (h *Hub) advance(head domain.Revision) {
	h.head.Store(uint64(head))
	for _, s := range h.shards {
		s.notify()
	}
}

// Stop ends all streams with an event that says so, and returns when that is done, within Settings.StopTimeout or little more. The hub serves
// nobody afterwards. Stopping again does nothing.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.cancel()
	for _, s := range h.shards {
		s.post(s.end)
	}
	h.running.Wait()
}
