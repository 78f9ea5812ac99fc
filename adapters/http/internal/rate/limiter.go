// Package rate bounds how many requests a second each of many parties may make: users, or addresses. Its memory is bounded, too, however many
// parties there are. Package conn calls it.
package rate

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Burst is how long a party may save up what it does not use: after that time without a request it may make as many at once as are allowed in
// that time.
const Burst = 4 * time.Second

// How many buckets are kept: 16,384, which take a quarter of a megabyte. A bucket is needed only until it is full again, so 100,000 requests a
// second, each of another party, need 2,000 buckets with a rate of 50.
const (
	sets = 2048
	ways = 8 // buckets of a set
)

// Limiter has a token bucket for each party. It may be used concurrently.
//
// A bucket is one number, the moment when it is full again (the generic cell rate algorithm). One that is full by now is as good as none, and
// makes room for another. If there is no such bucket in a set, the one that is full soonest goes: that of a party which is refused all the time
// stays. The hash has a secret seed, so nobody can choose parties that share a set.
type Limiter[P comparable] struct {
	seed     maphash.Seed
	begin    time.Time
	interval atomic.Int64 // between two requests at the allowed rate, in nanoseconds; 0: no limit
	sets     [sets]set
}

type set struct {
	mu      sync.Mutex
	buckets [ways]bucket
}

type bucket struct {
	party uint64 // its hash
	full  int64  // when the bucket is full again, in nanoseconds since the limiter's begin
}

// New makes a limiter. See SetRate.
func New[P comparable](perSecond int) *Limiter[P] {
	l := &Limiter[P]{seed: maphash.MakeSeed(), begin: time.Now()}
	l.SetRate(perSecond)
	return l
}

// SetRate sets how many requests a second each party may make; zero is no limit. Who was refused before
// may be so for another Burst.
func (l *Limiter[P]) SetRate(perSecond int) {
	if perSecond <= 0 {
		l.interval.Store(0)
		return
	}
	l.interval.Store(int64(time.Second) / int64(perSecond))
}

// Allow reports whether a party may make a request now, and takes note of it. It allocates nothing.
func (l *Limiter[P]) Allow(party P, now time.Time) bool { return l.ask(party, now, true) }

// Spent reports whether Allow would return false. It takes note of nothing.
func (l *Limiter[P]) Spent(party P, now time.Time) bool { return !l.ask(party, now, false) }

func (l *Limiter[P]) ask(party P, now time.Time, take bool) bool {
	interval := l.interval.Load()
	if interval == 0 {
		return true
	}
	hash, at := maphash.Comparable(l.seed, party), int64(now.Sub(l.begin))
	s := &l.sets[hash%sets]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(hash, at)
	full := max(b.full, at)
	if b.party != hash {
		full = at
	}
	if full-at > max(int64(Burst)-interval, 0) {
		return false
	}
	if take {
		b.party, b.full = hash, full+interval
	}
	return true
}

// find returns the bucket of a party, or the one that is to become it.
func (s *set) find(party uint64, now int64) *bucket {
	first := &s.buckets[0]
	for i := range s.buckets {
		b := &s.buckets[i]
		if b.party == party && b.full > now {
			return b
		}
		if b.full < first.full {
			first = b
		}
	}
	return first
}
