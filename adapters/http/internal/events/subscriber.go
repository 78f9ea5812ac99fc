package events

import (
	"slices"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/domain"
)

// subscriber is a client with a stream. Hub.mu guards what comes after entitled.
type subscriber struct {
	conn   *conn.Stream
	heard  [8]byte   // for what the client sends, which nobody reads
	all    bool      // it follows everybody
	spelt  Spellings // stays the same
	topics []*topic  // whose follower it is, in the order of users; they stay the same
	groups []string  // whose members it follows; they stay the same

	entitled func() (domain.Principal, error) // see Subscription; it stays the same

	by      domain.Principal // who it is; its stream ends with by.Until
	busy    bool             // it is due, or somebody is writing to it
	behind  bool             // it is told from the feed; then it is busy as well
	missed  bool             // if it is behind: there is something that it was not told
	anew    bool             // if it is behind: it is to forget what it knows, and to be told every state
	ending  reason           // why its stream is to end
	told    domain.Revision  // if it is busy: it was told everything up to here
	pending []*event         // what is new for it, if it is not behind
	wrote   time.Time        // when anything was last written
	given   domain.Revision  // of the last change that was given to it
}

// topic is a user with followers, or everybody, or a group. Of a follower of one user it remembers what that one sees.
type topic struct {
	user      domain.UserID
	followers map[*subscriber]cachedSight
}

// cachedSight is what a subscriber sees of a user, as long as the rules stay those that had a number. The zero value says nothing: rules are numbered from one.
type cachedSight struct {
	rules uint32
	sight domain.Sight
}

// everybody stands for all users. It is no user's id.
const everybody domain.UserID = ""

// maxPending is how many events are kept for a subscriber until a worker has time for it. With more it is behind.
const maxPending = 512

// join adds a subscriber, who was somebody a moment ago, and has it told the present states. It reports false if the hub has stopped.
func (h *Hub) join(sub *subscriber, s *Subscription, is bearer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	if !h.started {
		h.start()
	}
	users := slices.Compact(slices.Sorted(slices.Values(s.Users)))
	if sub.all {
		users = []domain.UserID{everybody}
	}
	sub.topics = make([]*topic, len(users))
	for i, user := range users {
		t := h.topics[user]
		if t == nil {
			t = &topic{user: user, followers: make(map[*subscriber]cachedSight)}
			h.topics[user] = t
		}
		t.followers[sub] = cachedSight{}
		sub.topics[i] = t
	}
	h.joinGroups(sub, s)
	h.subscribers[sub] = struct{}{}
	sub.busy, sub.told = true, s.Since
	sub.fallBehind(true)
	h.running.Go(func() { h.begin(sub, s) })
	if is.rechecks != h.rechecks.Load() { // the rules have changed meanwhile
		is = h.ask(sub)
	}
	h.judge(sub, is)
	return true
}

// listen returns when the client has gone, or the connection was closed.
func (sub *subscriber) listen() {
	for {
		if _, err := sub.conn.Read(sub.heard[:]); err != nil {
			return
		}
	}
}

// remove forgets a subscriber and closes its connection, which also ends a write.
func (h *Hub) remove(sub *subscriber) {
	_ = sub.conn.Close()
	if _, there := h.subscribers[sub]; !there || h.ctx.Err() != nil { // a hub that stops needs no tidying, which takes long if there are many
		return
	}
	delete(h.subscribers, sub)
	for _, t := range sub.topics {
		delete(t.followers, sub)
		if len(t.followers) == 0 {
			delete(h.topics, t.user)
		}
	}
	h.leaveGroups(sub)
	sub.pending = nil
}

// give has an event written to a subscriber.
func (h *Hub) give(sub *subscriber, e *event) {
	h.schedule(sub)
	switch {
	case sub.behind:
		sub.missed = true
	case len(sub.pending) == maxPending:
		sub.fallBehind(true)
	default:
		sub.pending = append(sub.pending, e)
	}
}

// end has a subscriber's stream end with an event. If its connection takes no more, it has so much time for it.
func (h *Hub) end(sub *subscriber, why reason, timeout time.Duration) {
	if sub.ending >= why {
		return
	}
	sub.ending = why
	_ = sub.conn.SetWriteDeadline(time.Now().Add(timeout))
	h.schedule(sub)
}

// schedule has a worker look after a subscriber, unless somebody does already.
func (h *Hub) schedule(sub *subscriber) {
	if !sub.busy {
		sub.busy, sub.told = true, h.head
		h.due = append(h.due, sub)
		h.wake.Signal()
	}
}

// tellAnew has a subscriber forget what it knows, and be told every state.
func (h *Hub) tellAnew(sub *subscriber) {
	h.schedule(sub)
	sub.fallBehind(true)
	sub.anew = true
}

// fallBehind drops what is pending: it will come from the feed.
func (sub *subscriber) fallBehind(missed bool) {
	sub.behind, sub.missed, sub.pending = true, missed || sub.missed || len(sub.pending) > 0, nil
}
