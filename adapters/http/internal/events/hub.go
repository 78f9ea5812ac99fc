// Package events tells subscribers how the states of users change, as server-sent events (HTML Living Standard, 9.2): GET and POST of
// /v1/events. It is a measured hot path and goes below Fiber: once the head of the response is made, the hub has the connection.
//
// A subscriber that knows everything so far gets each change from the goroutine that follows the feed: it puts the event in the subscriber's
// list, and a worker writes it without waiting. All subscribers who see the same share the bytes (publish.go).
//
// A subscriber that is new, that does not read, or that has too much in its list is behind. A separate goroutine then reads from the feed what has
// changed since the revision up to which the subscriber knows everything, and writes it; these writes may wait. When nothing is left, the
// subscriber gets the changes again. So a slow reader delays nobody else, takes little memory, is not dropped, and does not get what is out of date.
package events

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

// Settings are what tests and the server set differently.
type Settings struct {
	Heartbeat      time.Duration // a subscriber that was sent nothing for so long is sent a comment
	CatchUpTimeout time.Duration // how long a subscriber that knows a later revision than this daemon waits for it
	EndTimeout     time.Duration // how long a stalled reader has to take the rest when its token has expired
	Recent         int           // at least so many changes are remembered for the subscribers that are behind
}

// DefaultSettings are what the server uses.
func DefaultSettings() Settings {
	return Settings{Heartbeat: 15 * time.Second, CatchUpTimeout: 2 * time.Second, EndTimeout: 5 * time.Second, Recent: 1 << 14}
}

const (
	// stopTimeout is how long a stalled reader has to take the rest when the hub stops.
	stopTimeout = 400 * time.Millisecond

	// sendBuffer is how much the kernel keeps for a subscriber that does not read, in bytes. What is in there cannot be brought up to date.
	sendBuffer = 128 << 10
)

// Hub serves the subscribers. Its methods may be called concurrently.
type Hub struct {
	settings  Settings
	feed      ports.Feed
	directory ports.Directory
	log       *slog.Logger
	scans     chan struct{} // holds a token for each reading of all users that is in progress

	deliveries measure.Histogram
	catchUps   atomic.Uint64
	rechecks   atomic.Uint64 // how often Recheck was called

	ctx     context.Context //nolint:containedctx // of the hub's goroutines: it ends with Stop
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu          sync.Mutex
	started     bool
	head        domain.Revision // the subscribers were given all changes up to it
	recent      []note          // the latest changes, in order; what is in it does not change
	rules       uint32          // the number of the rules by which somebody sees others, which Renew is told of
	renewed     domain.Revision // who knows no more than up to it has to be told every state anew
	forgotten   domain.Revision // all changes after it, up to head, are in recent
	everyone    snapshot        // the last one that was made while everybody saw the same, for the next subscriber who needs one
	news        []news          // memory of publish
	topics      map[domain.UserID]*topic
	groups      map[string]*topic // whose members are followed
	concerned   []*topic          // memory of topicsOf
	subscribers map[*subscriber]struct{}
	due         []*subscriber // for the workers, in order
	wake        *sync.Cond    // is signalled when there is one more
}

// New makes a hub that does nothing until it has a subscriber.
func New(settings Settings, feed ports.Feed, directory ports.Directory, log *slog.Logger) *Hub {
	h := &Hub{
		settings:    settings,
		feed:        feed,
		directory:   directory,
		log:         log,
		scans:       make(chan struct{}, runtime.GOMAXPROCS(0)),
		rules:       1,
		topics:      make(map[domain.UserID]*topic),
		groups:      make(map[string]*topic),
		subscribers: make(map[*subscriber]struct{}),
	}
	h.wake = sync.NewCond(&h.mu)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Subscription is what a client has asked for.
type Subscription struct {
	Head   []byte          // the head of the HTTP response, which is sent first
	Users  []domain.UserID // the users to be told about
	Groups []string        // further ones: their members of each moment
	Spelt  Spellings       // of those users whose ids can be spelt in several ways
	All    bool            // all users; Users and Groups do not count
	Since  domain.Revision // up to where the subscriber knows everything
	Lost   bool            // what it knows is not of this daemon's revisions

	By       domain.Principal                 // who asks; the stream ends with its right
	Entitled func() (domain.Principal, error) // who that is by the rules of now, or why it may not have the stream any more; nil: it stays the same
}

// Spellings are the ids in lower case, as a client has asked for them, of users whose ids can be spelt in several ways. The client is told of a
// user under these, because it knows no other.
type Spellings map[domain.UserID][]string

// Serve serves a subscriber over its connection until one of the two ends the stream. Then it closes the connection and returns. It returns at
// once if the hub has stopped. What the client sends is ignored.
func (h *Hub) Serve(stream *conn.Stream, s *Subscription) {
	_ = stream.SetDeadline(time.Time{})
	_ = stream.SetWriteBuffer(sendBuffer)
	sub := &subscriber{conn: stream, all: s.All, spelt: s.Spelt, entitled: s.Entitled, by: s.By}
	if h.join(sub, s, h.ask(sub)) {
		sub.listen()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(sub)
}

// Deliveries tells how long after the hub has learnt of a change it was written to each subscriber that is not behind.
func (h *Hub) Deliveries() *measure.Histogram { return &h.deliveries }

// CatchUps returns how often a subscriber was behind: at its beginning, and when it read too slowly.
func (h *Hub) CatchUps() uint64 { return h.catchUps.Load() }

// start begins to follow the feed. The feed is complete by then: no request is answered before. The caller holds the lock.
func (h *Hub) start() {
	h.started = true
	following := h.feed.Follow()
	h.head = h.feed.Revision() // changes up to here that come from the feed as well are ignored
	h.forgotten = h.head
	h.running.Go(func() { h.follow(following) })
	h.running.Go(h.watchTime)
	for range runtime.GOMAXPROCS(0) {
		h.running.Go(h.work)
	}
}

// follow gives the changes to the subscribers, until the hub stops.
func (h *Hub) follow(following ports.Following) {
	defer following.Close()
	for {
		states, head, err := following.Next(h.ctx)
		switch {
		case err == nil:
			h.publish(states, head)
		case errors.Is(err, ports.ErrResumed):
			h.Renew()
		default: // the hub stops
			return
		}
	}
}

// watchTime ends the streams that have expired, and has a comment sent to subscribers that were sent nothing for long.
func (h *Hub) watchTime() {
	period := min(time.Second, h.settings.Heartbeat/4)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.look(time.Now(), period)
		case <-h.ctx.Done():
			return
		}
	}
}

func (h *Hub) look(now time.Time, period time.Duration) {
	silent := now.Add(period - h.settings.Heartbeat)
	h.mu.Lock()
	defer h.mu.Unlock()
	heartbeat := &event{revision: h.head, text: appendHeartbeat(nil, h.head)}
	for sub := range h.subscribers {
		switch {
		case domain.TimestampOf(now) > sub.by.Until:
			h.end(sub, expired, h.settings.EndTimeout)
		case !sub.busy && sub.wrote.Before(silent):
			h.give(sub, heartbeat)
		}
	}
}

// Renew has every subscriber told every state anew, because the states have changed in a way that no revision says, or others may see them now.
func (h *Hub) Renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := max(h.head, h.feed.Revision())
	h.renewed = max(h.renewed, head)
	h.rules++
	if !h.started || h.ctx.Err() != nil {
		return
	}
	for sub := range h.subscribers {
		h.tellAnew(sub)
	}
	h.head = head
	h.forgotten, h.recent, h.everyone = head, nil, snapshot{}
}

// Recheck ends the streams that their subscribers may not have any more, because the rules have changed.
func (h *Hub) Recheck() { h.recheck(func(*subscriber) bool { return true }) }

// RecheckKeys is Recheck for static keys, because the groups have changed: a key can list users by their groups.
func (h *Hub) RecheckKeys() { h.recheck(func(sub *subscriber) bool { return sub.by.Key != nil }) }

func (h *Hub) recheck(concerned func(*subscriber) bool) {
	var subscribers []*subscriber
	h.mu.Lock()
	h.rechecks.Add(1)
	for sub := range h.subscribers {
		if concerned(sub) {
			subscribers = append(subscribers, sub)
		}
	}
	h.mu.Unlock()
	for _, sub := range subscribers {
		is := h.ask(sub)
		h.mu.Lock()
		if _, there := h.subscribers[sub]; there {
			h.judge(sub, is)
		}
		h.mu.Unlock()
	}
}

// bearer is who a subscriber is by the rules of a moment, or why it may not have its stream.
type bearer struct {
	by       domain.Principal
	err      error
	rechecks uint64 // how many there were before
}

// ask asks who a subscriber is. To verify a signature takes long, so nobody who calls it holds the lock, as a rule.
func (h *Hub) ask(sub *subscriber) bearer {
	is := bearer{rechecks: h.rechecks.Load()}
	if sub.entitled != nil {
		is.by, is.err = sub.entitled()
	}
	return is
}

// judge has a subscriber be who it is by now. The caller holds the lock.
func (h *Hub) judge(sub *subscriber, is bearer) {
	by := is.by
	switch {
	case sub.entitled == nil: // it stays the same
	case is.err != nil:
		h.end(sub, expired, h.settings.EndTimeout)
	case by.Service != sub.by.Service, len(sub.groups) > 0 && by.Key != sub.by.Key: // so it sees others than before, perhaps
		sub.by = by
		h.rules++
		h.tellAnew(sub)
	default:
		sub.by = by
	}
}

// Stop ends all streams with an event that says so, and returns when that is done, within half a second. The hub serves nobody
// afterwards. Stopping again does nothing.
func (h *Hub) Stop() {
	h.mu.Lock()
	h.cancel()
	for sub := range h.subscribers {
		h.end(sub, stopping, stopTimeout)
	}
	h.wake.Broadcast()
	h.mu.Unlock()
	h.running.Wait()
}
