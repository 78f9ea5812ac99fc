package events

import (
	"net"
	"syscall"
	"time"

	"github.com/zarafa/presence/domain"
)

// subscriber is a client with a stream. Its shard owns everything but the connection.
type subscriber struct {
	conn  *net.TCPConn
	raw   syscall.RawConn
	heard [8]byte // for what the client sends, which nobody reads

	all    bool
	at     int32   // its index in its shard's list
	places []place // in the topics of the users in its list; the topics stay the same
	due    bool    // it is in its shard's list of those with something new
	away   bool    // a separate goroutine has its connection, and will give it back
	behind bool    // what changed after told has to come from the feed
	gone   bool    // it was removed
	parted bool    // the end event is on its way
	ending reason  // why its stream is to end

	told    domain.Revision // it was told everything up to here; kept for one that is behind, has anything pending, or subscribes to all users
	pending []*entry        // what is new for it, if it has a list
	cursor  uint64          // it was told what is before this place in the ring, if it subscribes to all users
	until   domain.Timestamp
	wrote   time.Time // when anything was last written
}

// place is where a subscriber is in a topic.
type place struct {
	topic *topic
	at    int32
}

// topic is a user that is in some list.
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

// maxPending is how many changes are kept for a subscriber with a list that cannot be written to. With more it is behind.
const maxPending = 512

// add notes a change for a subscriber with a list. If nothing else is pending, it was told everything up to the given revision.
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

// compact drops what is superseded.
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

// fallBehind drops what is pending: it will come from the feed. The subscriber was told everything up to the given revision.
func (sub *subscriber) fallBehind(told domain.Revision) {
	sub.pending, sub.behind, sub.told = nil, true, told
}

// consume drops the first n pending entries, which were written.
func (sub *subscriber) consume(n int) {
	const smallest = 16
	left := copy(sub.pending, sub.pending[n:])
	clear(sub.pending[left:])
	sub.pending = sub.pending[:left]
	if len(sub.pending) == 0 && cap(sub.pending) > smallest {
		sub.pending = nil
	}
}
