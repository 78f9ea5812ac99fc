package events

import (
	"net"
	"syscall"
	"time"

	"github.com/zarafa/presence/domain"
)

// subscriber is one who is told. Its shard owns everything but the connection.
type subscriber struct {
	conn  *net.TCPConn
	raw   syscall.RawConn
	heard [8]byte // what the client sends, which nobody reads

	all    bool
	at     int32   // its index in its shard's list
	places []place // in the topics of the users in its list; the topics stay the same
	due    bool    // it is in the shard's list of those who are
	away   bool    // its connection is in the hands of a goroutine of its own, which will come back
	behind bool    // it has to be told from the feed what changed after told
	gone   bool    // it is no subscriber any more
	parted bool    // the end event is on its way
	ending reason  // why its stream is to end

	told    domain.Revision // up to it the subscriber was told everything, if it is behind or has anything pending, or is told of everybody
	pending []*entry        // what it has to be told, if it has a list
	cursor  uint64          // what is before this place in the ring it was told, if it is told of everybody
	until   domain.Timestamp
	wrote   time.Time // when anything was last written
}

// place is where a subscriber is in a topic.
type place struct {
	topic *topic
	at    int32
}

// topic is a user who is in somebody's list.
type topic struct {
	user    domain.UserID
	members []member
}

// member is a subscriber in a topic, and which of its places that is.
type member struct {
	sub   *subscriber
	place int32
}

// listen returns when the client has gone, or the connection was closed.
func (sub *subscriber) listen() {
	for {
		if _, err := sub.conn.Read(sub.heard[:]); err != nil {
			return
		}
	}
}

// maxPending is how many changes are kept for a subscriber who has a list and cannot be written to. With more it is behind.
const maxPending = 512

// add notes a change for a subscriber who has a list and was told everything up to a revision if there is nothing else pending.
func (sub *subscriber) add(e *entry, told domain.Revision) {
	if sub.behind {
		return
	}
	if len(sub.pending) == 0 {
		sub.told = told
	}
	if len(sub.pending) >= maxPending {
		sub.compact()
	}
	if len(sub.pending) >= maxPending {
		sub.fallBehind(sub.told)
		return
	}
	sub.pending = append(sub.pending, e)
}

// compact forgets what is superseded.
func (sub *subscriber) compact() {
	kept := sub.pending[:0]
	for _, e := range sub.pending {
		if !e.superseded.Load() {
			kept = append(kept, e)
		}
	}
	clear(sub.pending[len(kept):])
	sub.pending = kept
}

// fallBehind forgets what is pending: the feed knows it as well. The subscriber was told everything up to the given revision.
func (sub *subscriber) fallBehind(told domain.Revision) {
	sub.pending, sub.behind, sub.told = nil, true, told
}

// consume forgets the first n pending entries, which were told.
func (sub *subscriber) consume(n int) {
	const smallest = 16
	left := copy(sub.pending, sub.pending[n:])
	clear(sub.pending[left:])
	sub.pending = sub.pending[:left]
	if len(sub.pending) == 0 && cap(sub.pending) > smallest {
		sub.pending = nil
	}
}
