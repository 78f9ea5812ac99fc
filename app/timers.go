package app

import (
	"slices"
	"time"

	"github.com/zarafa/presence/domain"
)

// tick is how exactly the timer queue keeps time, and how often the expirer looks into it.
const tick = 250 * time.Millisecond

// timerQueue keeps millions of deadlines: one costs an append when it is put in and a look when its time has come, and nothing between.
// Not for concurrent use.
type timerQueue struct {
	buckets map[int64][][]deadline // by the tick at whose end they are due, in chunks of at most chunkSize
	next    int64                  // the first bucket that has not been taken out
}

// chunkSize is how many deadlines lie together: so many that a chunk costs nothing, and so few that the room left in the last one does not
// count.
const chunkSize = 512

// deadline says when to look at the presence of a user that has this revision. It has lapsed once there is none.
type deadline struct {
	user     domain.UserID
	revision domain.Revision
}

func newTimerQueue(now domain.Timestamp) *timerQueue {
	return &timerQueue{buckets: make(map[int64][][]deadline), next: bucketOf(now)}
}

func bucketOf(at domain.Timestamp) int64 { return int64(at) / int64(tick) }

// add puts in a deadline for the first tick that begins after at.
func (q *timerQueue) add(at domain.Timestamp, d deadline) {
	due := max(bucketOf(at)+1, q.next)
	chunks := q.buckets[due]
	last := len(chunks) - 1
	if last < 0 || len(chunks[last]) == chunkSize {
		chunks = append(chunks, nil)
		q.buckets[due] = chunks
		last++
	}
	chunks[last] = append(chunks[last], d)
}

// take calls visit with all deadlines that are due, chunk by chunk, and removes them. visit may add new ones.
func (q *timerQueue) take(now domain.Timestamp, visit func([]deadline)) {
	last := bucketOf(now)
	for _, bucket := range q.due(last) {
		chunks := q.buckets[bucket]
		delete(q.buckets, bucket)
		q.next = bucket + 1 // first, so that what visit adds does not go into the bucket that is being taken
		for _, chunk := range chunks {
			visit(chunk)
		}
	}
	q.next = last + 1 // also if the clock was set back
}

// due returns the buckets up to last, in order. After a leap of the clock it does not try every bucket that there could be.
func (q *timerQueue) due(last int64) []int64 {
	var due []int64
	if last-q.next > int64(len(q.buckets)) {
		for bucket := range q.buckets {
			if bucket <= last {
				due = append(due, bucket)
			}
		}
		slices.Sort(due)
		return due
	}
	for bucket := q.next; bucket <= last; bucket++ {
		if _, ok := q.buckets[bucket]; ok {
			due = append(due, bucket)
		}
	}
	return due
}
