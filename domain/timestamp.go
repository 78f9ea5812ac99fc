package domain

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// Timestamp is a moment in nanoseconds since the Unix epoch; zero means "none". It takes a third of a time.Time's room and
// has no pointer in it, which counts when millions of presences are kept.
type Timestamp int64

// TimestampOf converts t, dropping its location and its monotonic reading.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixNano()) }

// timeForm is what RFC 3339 allows (5.6), the numbers' ranges apart: time.Parse lets more pass, and not all of it.
var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// ParseTime reads a date and time in any form of RFC 3339. Letters may be in lower case, and a second may be the 60th: it is the first one of
// the next minute.
func ParseTime(text string) (time.Time, error) {
	if !timeForm.MatchString(text) {
		return time.Time{}, fmt.Errorf("%s is no date and time as in RFC 3339", quote(text))
	}
	upper, leap := strings.ToUpper(text), time.Duration(0)
	const seconds = len("2006-01-02T15:04:")
	if upper[seconds:seconds+2] == "60" {
		upper, leap = upper[:seconds]+"59"+upper[seconds+2:], time.Second
	}
	at, err := time.Parse(time.RFC3339, upper)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is no date and time: %w", quote(text), err)
	}
	return at.Add(leap), nil
}

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
