// Package measure has the counters that parts of the daemon keep of what they do. Whoever exports metrics reads them; nothing here knows a format.
package measure

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of a histogram's buckets. All histograms have the same, so that one chart can show several of them.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations by their length. The zero value is ready, and must not be copied. It may be used concurrently.
type Histogram struct {
	counts [len(Bounds) + 1]atomic.Uint64 // by bucket; the last one has what is longer than every bound
	sum    atomic.Int64                   // in nanoseconds
}

// Observe counts a duration. A negative one, after the clock was set back, counts as zero. It does not block or allocate.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	bucket := 0
	for bucket < len(Bounds) && d > Bounds[bucket] {
		bucket++
	}
	h.counts[bucket].Add(1)
	h.sum.Add(int64(d))
}

// Reading is what a histogram has counted.
type Reading struct {
	Count  uint64
	Sum    time.Duration
	Within [len(Bounds)]uint64 // how many were not longer than each of the Bounds
}

// Read returns what was counted so far. What is observed meanwhile may be in the sum alone.
func (h *Histogram) Read() (r Reading) {
	for i := range h.counts {
		r.Count += h.counts[i].Load()
		if i < len(Bounds) {
			r.Within[i] = r.Count
		}
	}
	r.Sum = time.Duration(h.sum.Load())
	return r
}
