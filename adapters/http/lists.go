package http

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/ports"
)

const (
	// maxLists is how much memory the known lists may take, in bytes.
	maxLists = 32 << 20

	// minListText and minListUsers are from where on it is worth while to know a list.
	minListText  = 512
	minListUsers = 16

	// onceSeen is how many lists are noted that were asked for once.
	onceSeen = 4096
)

// lists knows the lists of users that are asked for again and again, by all the pages that show the same people: for each the
// last answer, which the next request brings up to date instead of reading, looking up and writing everything anew. An answer
// made so is the same, to the byte and to the moment, as one made without.
//
// A list is known from the second time on that it is asked for, so that those that never come back cost nothing. What is
// known takes at most maxLists of memory; lists that were not asked for lately make room.
//
// Nothing of it may be used for a client before its token was verified: the time of an answer would tell whether others ask for
// the same list.
type lists struct {
	seed  maphash.Seed // secret, so that nobody can make two lists with one hash
	once  [onceSeen]atomic.Uint64
	known *xsync.Map[uint64, *list] // by hash; finding a list takes no lock

	mu   sync.Mutex // held to add, remove and weigh lists; guards what follows
	ring []*list
	hand int // where in ring the search for a list to remove goes on
	size int // of all lists
}

// list is a list of users that is known.
type list struct {
	hash uint64
	text []byte                  // as it stands in requests: from the opening bracket to the document's end
	last atomic.Pointer[reading] // never nil
	used atomic.Bool             // since the hand came past it

	size int // as it is counted in lists.size, guarded by lists.mu; zero once it is removed
}

// reading is what a list's answer was at one moment. It is immutable: the body may be on its way to several clients.
type reading struct {
	view ports.View
	body []byte
}

func newLists() *lists {
	return &lists{seed: maphash.MakeSeed(), known: xsync.NewMap[uint64, *list]()}
}

// find returns the list with this text, or nil if it is not known.
func (l *lists) find(text []byte) *list {
	found, ok := l.known.Load(maphash.Bytes(l.seed, text))
	if !ok || !bytes.Equal(found.text, text) {
		return nil
	}
	if !found.used.Load() {
		found.used.Store(true)
	}
	return found
}

// again notes that a list is asked for that is not known, and reports whether it was not the first time.
func (l *lists) again(text []byte) bool {
	hash := maphash.Bytes(l.seed, text)
	noted := &l.once[hash%onceSeen]
	if noted.CompareAndSwap(hash, 0) { // two times more, if it should be forgotten: more lists than there is room for must not push one another out with every request
		return true
	}
	noted.Store(hash)
	return false
}

// add makes a list known. It keeps text and the reading.
func (l *lists) add(text []byte, first *reading) {
	added := &list{hash: maphash.Bytes(l.seed, text), text: text}
	added.last.Store(first)
	added.used.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.known.Load(added.hash); ok {
		l.remove(other)
	}
	l.known.Store(added.hash, added)
	l.ring = append(l.ring, added)
	l.weigh(added, first)
}

// update replaces a list's reading by a later one.
func (l *lists) update(known *list, before, now *reading) {
	known.last.Store(now)
	if len(before.body) == len(now.body) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known.size > 0 {
		l.weigh(known, now)
	}
}

// forget removes a list, whose answer has become too long.
func (l *lists) forget(known *list) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(known)
}

// weigh counts a list's size anew, and makes room.
func (l *lists) weigh(known *list, now *reading) {
	size := now.size(known.text)
	l.size += size - known.size
	known.size = size
	for l.size > maxLists {
		l.hand %= len(l.ring)
		if candidate := l.ring[l.hand]; candidate.used.Swap(false) {
			l.hand++
		} else {
			l.remove(candidate)
		}
	}
}

// remove is called with the lock held.
func (l *lists) remove(known *list) {
	if known.size == 0 {
		return
	}
	l.known.Delete(known.hash)
	l.size -= known.size
	known.size = 0
	for i, other := range l.ring {
		if other == known {
			end := len(l.ring) - 1
			l.ring[i], l.ring[end] = l.ring[end], nil
			l.ring = l.ring[:end]
			return
		}
	}
}

// size returns at most how much memory a list takes: its text and the ids in it; for each user what the view knows, and presences
// and messages of which the store has newer ones; and the answer.
func (r *reading) size(text []byte) int {
	const fixed, user = 512, 384
	return fixed + 2*len(text) + user*len(r.view.IDs()) + 2*len(r.body)
}
