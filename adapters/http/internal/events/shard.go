package events

import (
	"slices"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
)

// shard owns some of the subscribers. All of its methods but post and notify are for its own goroutine.
type shard struct {
	hub  *Hub
	wake chan struct{} // holds a token while there may be something to do

	mu       sync.Mutex
	messages []func() // which others have it do
	closed   bool

	cursor uint64          // everything before this place in the ring was read
	head   domain.Revision // all changes up to it were read, or were there before
	topics map[domain.UserID]*topic
	listed []*subscriber // those with a list
	all    []*subscriber // those that subscribe to all users
	due    []*subscriber // those with something new, apart from what all of s.all get
	swept  uint64        // the cursor when last everyone in all was told
	ending bool

	now   time.Time
	out   *writer
	batch batch
}

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

// post has the shard do something in its own goroutine, and returns false if the shard has ended.
func (s *shard) post(do func()) bool {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.messages = append(s.messages, do)
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
	s.read() // those that join may know what was put in the ring a moment ago
	for _, do := range messages {
		do()
	}
}

// end ends all streams. When that is done, the shard ends.
func (s *shard) end() {
	s.ending = true
	s.every(func(sub *subscriber) { s.part(sub, stopping, s.hub.settings.StopTimeout) })
}

// every calls visit, which may remove it, for each subscriber.
func (s *shard) every(visit func(*subscriber)) {
	for _, subs := range [][]*subscriber{s.listed, s.all} {
		for _, sub := range slices.Backward(subs) {
			visit(sub)
		}
	}
}

// mark notes that there is something new for a subscriber, unless that has to wait until it is back.
func (s *shard) mark(sub *subscriber) {
	if !sub.due && !sub.away {
		sub.due = true
		s.due = append(s.due, sub)
	}
}

// read reads what is new in the ring.
func (s *shard) read() {
	for end := s.hub.ring.end.Load(); s.cursor < end; end = s.hub.ring.end.Load() {
		e := s.hub.ring.at(s.cursor)
		if e == nil { // the ring has overtaken this shard
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

// skip goes on after an entry, so that all subscribers with a list are behind. Those to all users will find that out.
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

// flush writes to each subscriber once. There may be more to write then.
func (s *shard) flush() {
	if s.swept != s.cursor {
		s.swept = s.cursor
		for _, sub := range slices.Backward(s.all) { // for they may be removed
			s.tell(sub)
			s.read() // so that the next subscriber gets all that is new in one piece
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
