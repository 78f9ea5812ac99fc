package events

import (
	"sync/atomic"

	"github.com/zarafa/presence/domain"
)

// entry is a user's new state on its way to the subscribers, which all share it.
type entry struct {
	place      uint64 // in the ring
	kind       kind
	state      domain.State // only the revision, if it is not a change
	superseded atomic.Bool  // a later entry has this user's state
	rendered   atomic.Pointer[[]byte]
}

// kind says what an entry is.
type kind uint8

const (
	change kind = iota
	mark        // no change: all changes up to its revision are before it
	gap         // changes up to its revision were missed
)

// event returns the entry as it is sent. The first caller renders it; if two do so at once, one of the results is dropped.
func (e *entry) event() []byte {
	if rendered := e.rendered.Load(); rendered != nil {
		return *rendered
	}
	event := appendPresence(nil, &e.state)
	if !e.rendered.CompareAndSwap(nil, &event) {
		event = *e.rendered.Load()
	}
	return event
}

// ring holds the newest entries. One goroutine appends. Any may read at the same time.
type ring struct {
	slots []atomic.Pointer[entry]
	end   atomic.Uint64 // the place of the next entry

	latest map[domain.UserID]*entry // of each user who has an entry in the ring; only append uses it
}

func newRing(size int) *ring {
	return &ring{slots: make([]atomic.Pointer[entry], size), latest: make(map[domain.UserID]*entry)}
}

func (r *ring) slot(place uint64) *atomic.Pointer[entry] {
	return &r.slots[place%uint64(len(r.slots))]
}

// append adds an entry in place of the oldest one.
func (r *ring) append(e *entry) {
	e.place = r.end.Load()
	slot := r.slot(e.place)
	if oldest := slot.Load(); oldest != nil && r.latest[oldest.state.User] == oldest {
		delete(r.latest, oldest.state.User)
	}
	if e.kind == change {
		if former := r.latest[e.state.User]; former != nil {
			former.superseded.Store(true)
		}
		r.latest[e.state.User] = e
	}
	slot.Store(e)
	r.end.Store(e.place + 1)
}

// at returns the entry at a place before the end, or nil if it is no longer there.
func (r *ring) at(place uint64) *entry {
	if e := r.slot(place).Load(); e != nil && e.place == place {
		return e
	}
	return nil
}
