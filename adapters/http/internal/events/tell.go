package events

import "github.com/zarafa/presence/domain"

// batch is the events for a subscriber that are written at once.
type batch struct {
	entries  []*entry
	data     []byte          // of all entries, if there is more than one
	upto     uint64          // the place in the ring after the last entry that was considered
	revision domain.Revision // of that entry
	from     uint64          // the place in the ring of the first that was considered, if shared
	full     bool            // there may be more in the ring
	shared   bool            // it serves every subscriber to all users that is at the same place
	consumed int             // how many pending entries were considered
}

func (b *batch) reset() {
	clear(b.entries)
	b.entries, b.data, b.shared, b.full = b.entries[:0], b.data[:0], false, false
}

// add adds an entry, and reports whether the batch is still smaller than most.
func (b *batch) add(e *entry, most int) bool {
	event := e.event()
	b.entries = append(b.entries, e)
	b.data = append(b.data, event...)
	return len(b.data) < most
}

// tell writes to a subscriber what is new for it, as much as its connection takes at once.
func (s *shard) tell(sub *subscriber) {
	for !sub.away && !sub.gone {
		switch {
		case sub.behind:
			s.send(sub, &report{since: sub.told})
			return
		case sub.all:
			if sub.cursor == s.cursor {
				return
			}
			if !s.collectAll(sub.cursor) {
				sub.behind = true
				continue
			}
			s.writeAll(sub)
		default:
			if len(sub.pending) == 0 {
				return
			}
			s.collectPending(sub.pending)
			s.writePending(sub)
		}
	}
}

// collectAll makes a batch of what is in the ring from a place on. It returns false if the ring does not have all of it any more.
func (s *shard) collectAll(from uint64) bool {
	b := &s.batch
	if b.shared && b.from == from && (b.full || b.upto == s.cursor) {
		return true
	}
	b.reset()
	for place := from; place < s.cursor; place++ {
		e := s.hub.ring.at(place)
		if e == nil || e.kind == gap {
			b.reset()
			return false
		}
		b.upto, b.revision = place+1, e.state.Revision
		if e.kind == change && !e.superseded.Load() && !b.add(e, s.hub.settings.Batch) {
			b.full = true
			break
		}
	}
	b.shared, b.from = true, from
	return true
}

func (s *shard) writeAll(sub *subscriber) {
	b := &s.batch
	written, whole := s.writeBatch(sub)
	switch {
	case !whole && written > 0:
		last := b.entries[written-1]
		sub.cursor, sub.told = last.place+1, last.state.Revision
	case whole:
		sub.cursor, sub.told = b.upto, b.revision
	}
}

// collectPending makes a batch of what is pending.
func (s *shard) collectPending(pending []*entry) {
	b := &s.batch
	b.reset()
	b.consumed = 0
	for _, e := range pending {
		b.consumed, b.revision = b.consumed+1, e.state.Revision
		if !e.superseded.Load() && !b.add(e, s.hub.settings.Batch) {
			break
		}
	}
}

func (s *shard) writePending(sub *subscriber) {
	b := &s.batch
	written, whole := s.writeBatch(sub)
	if whole {
		sub.consume(b.consumed)
		sub.told = b.revision
		return
	}
	if written == 0 {
		return
	}
	last := b.entries[written-1]
	for i, e := range sub.pending {
		if e == last {
			sub.consume(i + 1)
			break
		}
	}
	sub.told = last.state.Revision
}

// writeBatch writes the batch. It returns how many of its entries were written, or are being finished by a separate goroutine, and whether
// these are all. If they are not, the subscriber is away.
func (s *shard) writeBatch(sub *subscriber) (told int, whole bool) {
	b := &s.batch
	if len(b.entries) == 0 {
		return 0, true
	}
	n, err := s.out.write(sub.raw, b.data)
	if err != nil {
		s.remove(sub)
		return 0, false
	}
	sub.wrote = s.now
	if n == len(b.data) {
		return len(b.entries), true
	}
	if n == 0 {
		s.await(sub, []byte(nothing)) // which is written when the connection takes something again
		return 0, false
	}
	for _, e := range b.entries {
		event := e.event()
		told++
		if n < len(event) {
			if n > 0 {
				s.await(sub, event[n:])
				return told, false
			}
			s.await(sub, []byte(nothing))
			return told - 1, false
		}
		n -= len(event)
	}
	return told, true
}

// write writes something other than a change to a subscriber that is not away.
func (s *shard) write(sub *subscriber, data []byte) {
	n, err := s.out.write(sub.raw, data)
	switch {
	case err != nil:
		s.remove(sub)
		return
	case n < len(data):
		s.await(sub, data[n:])
	}
	sub.wrote = s.now
}

// await has a separate goroutine finish a write that would block. The rest must not change.
func (s *shard) await(sub *subscriber, rest []byte) {
	sub.away = true
	s.hub.running.Go(func() {
		_, err := sub.conn.Write(rest)
		s.post(func() { s.back(sub, err) })
	})
}

// send has a separate goroutine tell a subscriber from the feed what has changed up to head. From there it goes on in the ring.
func (s *shard) send(sub *subscriber, r *report) {
	sub.fallBehind(s.head)
	sub.behind, sub.away, sub.cursor = false, true, s.cursor
	r.hub, r.conn, r.all, r.places, r.upto = s.hub, sub.conn, sub.all, sub.places, s.head
	s.hub.running.Go(func() {
		err := r.send()
		s.post(func() { s.back(sub, err) })
	})
}
