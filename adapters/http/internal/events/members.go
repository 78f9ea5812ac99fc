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
	s.every(func(sub *subscriber) {
		switch {
		case now > sub.until:
			s.part(sub, expired, s.hub.settings.EndTimeout)
		case !sub.away && !s.owes(sub) && sub.wrote.Before(silent):
			s.write(sub, heartbeat)
		}
	})
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
