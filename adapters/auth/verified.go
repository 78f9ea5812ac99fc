package auth

import (
	"crypto/subtle"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/zarafa/presence/domain"
)

// verifiedSlots is how many tokens are remembered at most. It is a power of two, so that a hash becomes a slot by cutting bits off.
const verifiedSlots = 1024

// verified remembers tokens that were found genuine, for a client shows the same one again and again. What is remembered is only what
// cannot change: that a secret made it, when, and for which user. Whether it still holds is looked at each time.
//
// Each token has one slot, by a hash whose seed is random and secret. A guess at somebody's token ends at another hash, but for one in
// 2^64, and that one at a comparison whose duration does not depend on the bytes, so how long a refusal takes tells nothing of
// what is remembered. The methods may be called concurrently; none takes a lock.
type verified struct {
	seed  maphash.Seed
	slots [verifiedSlots]verifiedSlot
}

// verifiedSlot remembers one token. Another one takes its place when its time is over, or else when the other comes twice in a
// row while nobody shows this one: where more tokens are in use than there are slots, or each is shown only once, most are not
// worth the memory.
type verifiedSlot struct {
	token     atomic.Pointer[verifiedToken]
	used      atomic.Bool   // since another one came. Rarely written, so that those who read do not wait for one another
	candidate atomic.Uint64 // the hash of the token that came last and was not remembered
}

// verifiedToken does not change.
type verifiedToken struct {
	hash  uint64
	text  []byte
	stamp domain.Timestamp
	user  domain.UserID
}

func newVerified() *verified { return &verified{seed: maphash.MakeSeed()} }

// find returns what is remembered of a token, or nil, and the token's hash.
func (v *verified) find(token string) (*verifiedToken, uint64) {
	hash := maphash.String(v.seed, token)
	slot := v.slot(hash)
	known := slot.token.Load()
	if known == nil || known.hash != hash || subtle.ConstantTimeCompare(known.text, []byte(token)) != 1 {
		return nil, hash
	}
	if !slot.used.Load() {
		slot.used.Store(true)
	}
	return known, hash
}

// note takes notice of a genuine token that find did not know. The time of tokens that are older than oldest is over. It copies what
// it keeps.
func (v *verified) note(hash uint64, token string, stamp domain.Timestamp, user domain.UserID, oldest domain.Timestamp) {
	slot := v.slot(hash)
	used, last := slot.used.Swap(false), slot.candidate.Swap(hash)
	if old := slot.token.Load(); old != nil && old.stamp >= oldest && (used || last != hash) {
		return
	}
	slot.token.Store(&verifiedToken{hash: hash, text: []byte(token), stamp: stamp, user: domain.UserID(strings.Clone(string(user)))})
}

func (v *verified) slot(hash uint64) *verifiedSlot { return &v.slots[hash%verifiedSlots] }
