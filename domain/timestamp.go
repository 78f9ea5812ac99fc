package domain

import (
	"math"
	"time"
)

// Timestamp is a moment in nanoseconds since the Unix epoch; zero means "none". It takes a third of a time.Time's room and
// has no pointer in it, which counts when millions of presences are kept.
type Timestamp int64

// TimestampOf converts t, dropping its location and its monotonic reading.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixNano()) }

// Time converts back, in UTC. The zero Timestamp becomes the zero time.Time.
func (t Timestamp) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Add returns the moment d later, or the last one that there is (in the year 2262) if that is still later.
func (t Timestamp) Add(d time.Duration) Timestamp {
	sum := t + Timestamp(d)
	if d > 0 && sum < t {
		return math.MaxInt64
	}
	return sum
}

// String renders t in RFC 3339, in UTC and to the millisecond.
func (t Timestamp) String() string { return t.Time().Format("2006-01-02T15:04:05.000Z07:00") }

// IsZero reports whether t stands for "none".
func (t Timestamp) IsZero() bool { return t == 0 }
