package events

import (
	"strings"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
)

// shard owns some of the subscribers. All of its methods but post and notify are for its own goroutine.
type shard struct {
	hub  *Hub
	wake chan struct{} // holds a token while there may be something to do

	mu       sync.Mutex
	messages []message
	closed   bool

	cursor uint64          // what is before this place in the ring was read
	head   domain.Revision // all changes up to it were read, or were there before
	topics map[domain.UserID]*topic
	listed []*subscriber // who have a list
	all    []*subscriber // who are told of everybody
	due    []*subscriber // who have something to be told, besides
	swept  uint64        // the cursor when last everyone in all was told
	ending bool

	now   time.Time
	out   *writer
	batch batch
}

// message is what a shard is told by others.
type message struct {
	kind         messageKind
	sub          *subscriber
	subscription *Subscription // of one who joins
	err          error         // of one who is back
	counted      chan<- Count
}

type messageKind uint8

const (
	join  messageKind = iota
	leave             // the client has gone
	back              // the connection can be written to again, or has failed
	stop
	count
)

func newShard(h *Hub, head domain.Revision) *shard {
	return &shard{
		hub:    h,
		wake:   make(chan struct{}, 1),
		cursor: h.ring.end.Load(),
		swept:  h.ring.end.Load(),
		head:   head,
		topics: make(map[domain.UserID]*topic),
		now:    time.Now(),
		out:    newWriter(),
	}
}

// post tells the shard something, and returns false if the shard has ended.
func (s *shard) post(m message) bool {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.messages = append(s.messages, m)
	}
	s.mu.Unlock()
	s.notify()
	return !closed
}

// notify makes the shard look for what there is to do.
func (s *shard) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run works until the hub stops and all subscribers have gone.
func (s *shard) run() {
	period := min(time.Second, s.hub.settings.Heartbeat/4)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for !s.finished() {
		select {
		case <-s.wake:
			s.now = time.Now()
		case <-tick.C:
			s.now = time.Now()
			s.look(period)
		}
		s.receive()
		s.read()
		s.flush()
	}
}

// finished reports whether the shard can end, and makes it take no more messages then.
func (s *shard) finished() bool {
	if !s.ending || len(s.listed)+len(s.all) > 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) > 0 {
		return false
	}
	s.closed = true
	return true
}

// receive carries out what the shard was told.
func (s *shard) receive() {
	s.mu.Lock()
	messages := s.messages
	s.messages = nil
	s.mu.Unlock()
	if len(messages) == 0 {
		return
	}
	s.read() // who joins may know of what was put in the ring a moment before
	for _, m := range messages {
		switch m.kind {
		case join:
			s.join(m.sub, m.subscription)
		case leave:
			s.remove(m.sub)
		case back:
			s.back(m.sub, m.err)
		case count:
			m.counted <- s.count()
		case stop:
			s.ending = true
			for _, subs := range [][]*subscriber{s.listed, s.all} {
				for i := len(subs) - 1; i >= 0; i-- { // for they are removed
					s.part(subs[i], stopping, s.hub.settings.Farewell)
				}
			}
		}
	}
}

// join takes in a subscriber and sends it off to be told what there is. What changes after head comes to it by the ring.
func (s *shard) join(sub *subscriber, subscription *Subscription) {
	if sub.all {
		sub.at = int32(len(s.all)) //nolint:gosec // there are fewer connections
		s.all = append(s.all, sub)
	} else {
		sub.at = int32(len(s.listed)) //nolint:gosec // there are fewer connections
		s.listed = append(s.listed, sub)
		sub.places = make([]place, len(subscription.Users))
		for i, user := range subscription.Users {
			s.enter(sub, i, user)
		}
	}
	first := &report{head: subscription.Head, first: true, since: subscription.Since, reset: subscription.Lost}
	s.send(sub, first)
	if s.ending {
		s.part(sub, stopping, s.hub.settings.Farewell)
	}
}

// count is a shard's part of Hub.Count.
func (s *shard) count() Count {
	c := Count{Streams: len(s.listed) + len(s.all), Users: len(s.topics)}
	for _, t := range s.topics {
		c.Places += len(t.members)
	}
	return c
}

// enter makes a subscriber a member of its i-th topic.
func (s *shard) enter(sub *subscriber, i int, user domain.UserID) {
	t := s.topics[user]
	if t == nil {
		t = &topic{user: domain.UserID(strings.Clone(string(user)))}
		s.topics[t.user] = t
	}
	sub.places[i] = place{topic: t, at: int32(len(t.members))}       //nolint:gosec // there are fewer connections
	t.members = append(t.members, member{sub: sub, place: int32(i)}) //nolint:gosec // there are fewer users in a list
}

// remove forgets a subscriber and closes its connection.
func (s *shard) remove(sub *subscriber) {
	if sub.gone {
		return
	}
	sub.gone = true
	_ = sub.conn.Close() // which also brings back the goroutine that has it
	list := &s.listed
	if sub.all {
		list = &s.all
	}
	last := (*list)[len(*list)-1]
	(*list)[sub.at], last.at = last, sub.at
	(*list)[len(*list)-1] = nil
	*list = (*list)[:len(*list)-1]
	for _, p := range sub.places {
		moved := p.topic.members[len(p.topic.members)-1]
		p.topic.members[p.at] = moved
		moved.sub.places[moved.place].at = p.at
		p.topic.members[len(p.topic.members)-1] = member{}
		p.topic.members = p.topic.members[:len(p.topic.members)-1]
		if len(p.topic.members) == 0 {
			delete(s.topics, p.topic.user)
		}
	}
	sub.pending = nil
}

// back takes a subscriber's connection back.
func (s *shard) back(sub *subscriber, err error) {
	sub.away = false
	sub.wrote = s.now
	switch {
	case sub.gone:
	case err != nil || sub.parted:
		s.remove(sub)
	case sub.ending != unended:
		s.part(sub, sub.ending, 0)
	default:
		s.mark(sub)
	}
}

// mark notes that a subscriber has something to be told, unless that has to wait until it is back.
func (s *shard) mark(sub *subscriber) {
	if !sub.due && !sub.away {
		sub.due = true
		s.due = append(s.due, sub)
	}
}

// read takes note of what is new in the ring.
func (s *shard) read() {
	for end := s.hub.ring.end.Load(); s.cursor < end; end = s.hub.ring.end.Load() {
		e := s.hub.ring.at(s.cursor)
		if e == nil { // the ring was quicker
			newest := s.hub.ring.at(end - 1)
			if newest == nil {
				continue
			}
			s.skip(newest)
			continue
		}
		switch e.kind {
		case change:
			if t := s.topics[e.state.User]; t != nil {
				for _, m := range t.members {
					m.sub.add(e, s.head)
					s.mark(m.sub)
				}
			}
			s.cursor, s.head = s.cursor+1, e.state.Revision
		case mark:
			s.cursor, s.head = s.cursor+1, e.state.Revision
		case gap:
			s.skip(e)
		}
	}
}

// skip goes on after an entry, and leaves everybody behind who has a list. Who is told of everybody finds it out.
func (s *shard) skip(e *entry) {
	for _, sub := range s.listed {
		switch {
		case sub.behind:
			continue
		case len(sub.pending) > 0:
			sub.fallBehind(sub.told)
		default:
			sub.fallBehind(s.head)
		}
		s.mark(sub)
	}
	s.cursor, s.head = e.place+1, e.state.Revision
}

// flush tells everybody what is due, once. There may be more then.
func (s *shard) flush() {
	if s.swept != s.cursor {
		s.swept = s.cursor
		for i := len(s.all) - 1; i >= 0; i-- { // for they may be removed
			s.tell(s.all[i])
			s.read() // so that whoever comes next gets in one piece what is new
		}
	}
	n := len(s.due)
	for i := range n {
		sub := s.due[i]
		sub.due = false
		s.tell(sub)
		s.read()
	}
	left := copy(s.due, s.due[n:])
	clear(s.due[left:])
	s.due = s.due[:left]
	s.batch.reset()
	if left > 0 {
		s.notify()
	}
}

// look ends the streams whose time has come, and sends a comment to whoever has heard nothing for long.
func (s *shard) look(period time.Duration) {
	now, silent := domain.TimestampOf(s.now), s.now.Add(period-s.hub.settings.Heartbeat)
	heartbeat := appendHeartbeat(nil, s.head)
	for _, subs := range [][]*subscriber{s.listed, s.all} {
		for i := len(subs) - 1; i >= 0; i-- { // for they may be removed
			switch sub := subs[i]; {
			case now > sub.until:
				s.part(sub, expired, s.hub.settings.Parting)
			case !sub.away && !s.owes(sub) && sub.wrote.Before(silent):
				s.write(sub, heartbeat)
			}
		}
	}
}

// owes reports whether a subscriber has not been told everything up to head.
func (s *shard) owes(sub *subscriber) bool {
	return sub.behind || len(sub.pending) > 0 || sub.all && sub.cursor != s.cursor
}

// part ends a subscriber's stream with an event. If its connection takes no more, that has to change within the patience.
func (s *shard) part(sub *subscriber, why reason, patience time.Duration) {
	if sub.ending == unended || why == stopping {
		sub.ending = why
		if patience > 0 {
			_ = sub.conn.SetWriteDeadline(time.Now().Add(patience))
		}
	}
	if sub.gone || sub.parted || sub.away {
		return
	}
	s.tell(sub)
	if sub.gone || sub.away {
		return
	}
	sub.parted = true
	s.write(sub, []byte(endEvents[sub.ending]))
	if !sub.away {
		s.remove(sub)
	}
}
