// Package lists knows the lists of users that the original API is asked for again and again, by all the pages that show the same people: for
// each the last answer, which the next request brings up to date instead of reading, looking up and writing everything anew. An answer
// made so is the same, to the byte and to the moment, as one made without.
//
// What it gains: GET of the same 1,000 users is answered three times as often with it as without (BenchmarkGetThousandUsers of package http:
// 35,000 a second to 11,300, on two cores that the clients share).
package lists

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	// maxSize is how much memory the known lists may take, in bytes.
	maxSize = 32 << 20

	// MinText is the length from which on it is worth while to know a list, in bytes.
	MinText = 512

	// MinUsers is the number of users from which on it is.
	MinUsers = 16

	// onceSeen is how many lists are noted that were asked for once.
	onceSeen = 4096
)

// Lists knows lists by their text, as it stands in requests: from the opening bracket to the document's end.
//
// A list is known from the second time on that it is asked for, so that those that never come back cost nothing. Lists that were not
// asked for lately make room for others.
//
// Nothing of it may be used for a client before its token was verified: the time of an answer would tell whether others ask for
// the same list. It may be used concurrently.
type Lists struct {
	presence ports.Presence
	render   Render

	seed  maphash.Seed // secret, so that nobody can make two lists with one hash
	once  [onceSeen]atomic.Uint64
	known *xsync.Map[uint64, *list] // by hash; finding a list takes no lock

	mu   sync.Mutex // held to add, remove and weigh lists
	size int        // of all lists
}

// Render makes the answer about some users, or returns nil if it is too large to be kept.
type Render func(ids []string, found []domain.Presences) []byte

// list is a list of users that is known.
type list struct {
	hash uint64
	text []byte
	last atomic.Pointer[reading] // never nil
	used atomic.Bool             // since room was last looked for

	size int // as it is counted in Lists.size, guarded by Lists.mu; zero once it is removed
}

// reading is what a list's answer was at one moment. It is immutable: the body may be on its way to several clients.
type reading struct {
	view ports.View
	body []byte
}

// New makes it for the views of a use case.
func New(presence ports.Presence, render Render) *Lists {
	return &Lists{presence: presence, render: render, seed: maphash.MakeSeed(), known: xsync.NewMap[uint64, *list]()}
}

// Answer returns the answer to the list with this text as it is now, or nil if the list is not known. It must not be changed.
func (l *Lists) Answer(text []byte) []byte {
	found := l.find(text)
	if found == nil {
		return nil
	}
	last := found.last.Load()
	view, changed := last.view.Refresh()
	if view == last.view {
		return last.body
	}
	now := &reading{view: view, body: last.body}
	if changed {
		if now.body = l.render(view.IDs(), view.Presences()); now.body == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.remove(found)
			return nil
		}
	}
	l.update(found, last, now)
	return now.body
}

func (l *Lists) find(text []byte) *list {
	found, ok := l.known.Load(maphash.Bytes(l.seed, text))
	if !ok || !bytes.Equal(found.text, text) {
		return nil
	}
	if !found.used.Load() {
		found.used.Store(true)
	}
	return found
}

// Again notes that a list is asked for that is not known, and reports whether it was not the first time.
func (l *Lists) Again(text []byte) bool {
	hash := maphash.Bytes(l.seed, text)
	noted := &l.once[hash%onceSeen]
	if noted.CompareAndSwap(hash, 0) { // two times more, if it should be forgotten: more lists than there is room for must not push one another out with every request
		return true
	}
	noted.Store(hash)
	return false
}

// Add makes a list known and returns its answer, or nil if that is too large. It keeps text. A malformed id is an error as in
// ports.Presence.View.
func (l *Lists) Add(text []byte, ids []string) ([]byte, error) {
	view, err := l.presence.View(ids)
	if err != nil {
		return nil, err
	}
	first := &reading{view: view, body: l.render(view.IDs(), view.Presences())}
	if first.body == nil {
		return nil, nil
	}
	added := &list{hash: maphash.Bytes(l.seed, text), text: text}
	added.last.Store(first)
	added.used.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.known.Load(added.hash); ok {
		l.remove(other)
	}
	l.known.Store(added.hash, added)
	l.weigh(added, first)
	return first.body, nil
}

// update replaces a list's reading by a later one.
func (l *Lists) update(known *list, before, now *reading) {
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

// weigh counts a list's size anew, and makes room.
func (l *Lists) weigh(known *list, now *reading) {
	size := now.size(known.text)
	l.size += size - known.size
	known.size = size
	for l.size > maxSize {
		l.known.Range(func(_ uint64, other *list) bool {
			if !other.used.Swap(false) {
				l.remove(other)
			}
			return l.size > maxSize
		})
	}
}

// remove is called with the lock held.
func (l *Lists) remove(known *list) {
	if known.size > 0 {
		l.known.Delete(known.hash)
		l.size, known.size = l.size-known.size, 0
	}
}

// size returns at most how much memory a list takes: its text and the ids in it; for each user what the view knows, and presences
// and messages that are out of date elsewhere; and the answer.
func (r *reading) size(text []byte) int {
	const fixed, user = 512, 384
	return fixed + 2*len(text) + user*len(r.view.IDs()) + 2*len(r.body)
}
