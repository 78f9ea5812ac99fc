package events

import (
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
)

// join adds a subscriber and has it told the present states. What changes after head comes by the ring.
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
		s.part(sub, stopping, s.hub.settings.StopTimeout)
	}
}

// Count is how much is in memory for the subscribers.
type Count struct {
	Streams int
	Users   int // in all lists; each counts once a shard
	Places  int // of subscribers in all lists
}

// Count tells how much there is. It waits for the shards, and is zero after Stop.
func (h *Hub) Count() (sum Count) {
	counted := make(chan Count, 1)
	h.mu.Lock()
	shards := h.shards
	h.mu.Unlock()
	for _, s := range shards {
		if !s.post(message{kind: count, counted: counted}) {
			continue
		}
		c := <-counted
		sum.Streams, sum.Users, sum.Places = sum.Streams+c.Streams, sum.Users+c.Users, sum.Places+c.Places
	}
	return sum
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
	_ = sub.conn.Close() // which also ends a write in a separate goroutine
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

// look ends the streams that have expired, and sends a comment to subscribers that were sent nothing for long.
func (s *shard) look(period time.Duration) {
	now, silent := domain.TimestampOf(s.now), s.now.Add(period-s.hub.settings.Heartbeat)
	heartbeat := appendHeartbeat(nil, s.head)
	for _, subs := range [][]*subscriber{s.listed, s.all} {
		for i := len(subs) - 1; i >= 0; i-- { // for they may be removed
			switch sub := subs[i]; {
			case now > sub.until:
				s.part(sub, expired, s.hub.settings.EndTimeout)
			case !sub.away && !s.owes(sub) && sub.wrote.Before(silent):
				s.write(sub, heartbeat)
			}
		}
	}
}

// owes reports whether there is something up to head that a subscriber has not been told.
func (s *shard) owes(sub *subscriber) bool {
	return sub.behind || len(sub.pending) > 0 || sub.all && sub.cursor != s.cursor
}

// part ends a subscriber's stream with an event. A connection that takes no more gets so much time for it.
func (s *shard) part(sub *subscriber, why reason, timeout time.Duration) {
	if sub.ending == unended || why == stopping {
		sub.ending = why
		if timeout > 0 {
			_ = sub.conn.SetWriteDeadline(time.Now().Add(timeout))
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
