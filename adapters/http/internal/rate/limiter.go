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
	mu      sync.Mutex // held while a bucket is given to another party
	buckets [ways]bucket
}

type bucket struct {
	party atomic.Uint64 // its hash
	full  atomic.Int64  // when the bucket is full again, in nanoseconds since the limiter's begin
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

// Allow reports whether a party may make a request now, and takes note of it. It allocates nothing, and takes a lock only for a
// party without a bucket.
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
	if b := s.find(hash); b != nil {
		return b.ask(at, interval, take)
	}
	if take {
		s.add(hash, at+interval)
	}
	return true
}

// ask takes from a bucket, unless it has too little. If the bucket is given to another party at this very moment, that pays.
func (b *bucket) ask(now, interval int64, take bool) bool {
	for {
		before := b.full.Load()
		full := max(before, now)
		switch {
		case full-now > max(int64(Burst)-interval, 0):
			return false
		case !take, b.full.CompareAndSwap(before, full+interval):
			return true
		}
	}
}

// find returns the bucket of a party, or nil.
func (s *set) find(party uint64) *bucket {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.party.Load() == party {
			return b
		}
	}
	return nil
}

// add gives a party a bucket that is full at the given moment, in place of the one that is full soonest.
func (s *set) add(party uint64, full int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(party) != nil {
		return // it has one meanwhile: a request is not counted
	}
	first := &s.buckets[0]
	for i := range s.buckets {
		if b := &s.buckets[i]; b.full.Load() < first.full.Load() {
			first = b
		}
	}
	first.full.Store(full)
	first.party.Store(party)
}
