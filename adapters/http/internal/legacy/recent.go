package legacy

import (
	"bytes"
	"hash/maphash"
	"math"
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	// minList is from which length on the answer to a list is worth keeping, in bytes.
	minList = 512

	// maxList is up to which length it is.
	maxList = 256 << 10

	// recentLists is how many answers are kept. With their lists they take at most 32 MiB.
	recentLists = 64
)

// recent keeps the last answers to long lists. Pages that show the same people ask for the same list, and while no user at all changes they get
// the same bytes. It does nothing while what users see depends on who they are. It may be used concurrently.
//
// It must not be asked before the client's token was verified: the time of an answer would tell whether others ask for the same list.
type recent struct {
	feed  ports.Feed
	clock ports.Clock
	seed  maphash.Seed // secret, so that nobody can choose lists that push out another
	slots [recentLists]struct {
		asked atomic.Uint64 // the list and the revision for which there was no answer last
		kept  atomic.Pointer[recentAnswer]
	}
}

// recentAnswer is immutable: the body may be on its way to several clients.
type recentAnswer struct {
	list, body  []byte
	revision    domain.Revision  // every change up to this one is in the answer
	made, until domain.Timestamp // between these nothing in it expires
}

func newRecent(feed ports.Feed, clock ports.Clock) *recent {
	return &recent{feed: feed, clock: clock, seed: maphash.MakeSeed()}
}

// listAt is a list at a revision. The zero value is none, to which no answer is kept.
type listAt struct {
	text     []byte
	hash     uint64
	revision domain.Revision
}

// answer returns the answer to the list with this text, as it stands in requests from the opening bracket to the document's end. Without one it
// returns what to call keep with.
func (r *recent) answer(text []byte) ([]byte, listAt) {
	list := listAt{text, maphash.Bytes(r.seed, text), r.feed.Revision()}
	if !r.feed.Unrestricted() { // asked after the revision, so that what is kept for it is for everybody
		return nil, listAt{}
	}
	a := r.slots[list.hash%recentLists].kept.Load()
	if a == nil || a.revision != list.revision || !bytes.Equal(a.list, text) {
		return nil, list
	}
	if now := r.clock.Now(); now < a.made || now > a.until {
		return nil, list
	}
	return a.body, listAt{}
}

// keep keeps the answer to a list, which shows what was found. It does so for the second request at one revision, so that lists that do not come
// back before something changes cost nothing.
func (r *recent) keep(list listAt, body []byte, found []domain.Presences) {
	if list.text == nil || !r.feed.Unrestricted() {
		return
	}
	slot := &r.slots[list.hash%recentLists]
	if at := list.hash + uint64(list.revision); slot.asked.Swap(at) != at {
		return
	}
	a := &recentAnswer{bytes.Clone(list.text), bytes.Clone(body), list.revision, r.clock.Now(), math.MaxInt64}
	for _, presences := range found {
		for i := range presences {
			if end := presences[i].Expires; !end.IsZero() {
				a.until = min(a.until, end)
			}
		}
	}
	slot.kept.Store(a)
}
