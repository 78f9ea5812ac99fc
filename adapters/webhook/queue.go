package webhook

import (
	"container/heap"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// waiting is a user whose state the receiver still has to be told. The state is looked up when it is sent.
type waiting struct {
	user     domain.UserID
	before   ports.Mark  // what can be acknowledged while this waits
	changed  time.Time   // when the change was learnt of
	renewal  uint64      // when it was given anew, in Unix nanoseconds; 0: it is a change of the user
	attempts int         // that have failed
	tried    fingerprint // of the last attempt, if there was one
	unsure   bool        // the receiver may have been told something that is not in queue.told
	due      time.Time   // not to be sent before, if there were attempts
	index    int         // in queue.retries; -1: not there

	next, previous *waiting // in the order of before
}

// queue has who waits: at most one entry for each user, and one that is being sent. It also knows what the receiver was told. It belongs to one goroutine.
type queue struct {
	told    map[domain.UserID]fingerprint // by user: the last that the receiver has taken
	waiting map[domain.UserID]*waiting    // those that are not being sent
	sending map[domain.UserID]*waiting

	fresh   []*waiting // to be sent, in this order
	retries retries    // to be sent again, when they are due

	first, last *waiting   // all, in the order of before
	size        int        // how many those are
	given       ports.Mark // of the last news
}

func newQueue() *queue {
	return &queue{told: map[domain.UserID]fingerprint{}, waiting: map[domain.UserID]*waiting{}, sending: map[domain.UserID]*waiting{}}
}

// mark returns what can be acknowledged.
func (q *queue) mark() ports.Mark {
	if q.first != nil {
		return q.first.before
	}
	return q.given
}

// knows reports whether the receiver may know anything of a user.
func (q *queue) knows(user domain.UserID) bool {
	_, told := q.told[user]
	w, s := q.waiting[user], q.sending[user]
	return told || s != nil || w != nil && w.unsure
}

// add notes that a user's state is news, with the given fingerprint. What is waiting is superseded, and keeps its place.
func (q *queue) add(user domain.UserID, of fingerprint, renewal uint64, now time.Time) {
	w := q.waiting[user]
	if w == nil {
		if told, is := q.told[user]; is && told == of && q.sending[user] == nil {
			return // the receiver knows
		}
		w = &waiting{user: user, before: q.given, changed: now, renewal: renewal, index: -1}
		q.waiting[user] = w
		q.append(w)
		if q.sending[user] == nil {
			q.fresh = append(q.fresh, w)
		}
		return
	}
	if w.attempts > 0 && w.tried == of {
		return // it is tried again anyway
	}
	w.changed, w.renewal = now, renewal
	if w.attempts > 0 {
		w.attempts = 0
		heap.Remove(&q.retries, w.index)
		q.fresh = append(q.fresh, w)
	}
}

// next takes the next one that is to be sent at a moment: nil if there is none. While the receiver fails, those that were not tried yet come first: it may
// refuse one message alone.
func (q *queue) next(now time.Time, failing bool) *waiting {
	retry := len(q.retries) > 0 && !q.retries[0].due.After(now)
	switch {
	case len(q.fresh) > 0 && (failing || !retry):
		w := q.fresh[0]
		q.fresh[0] = nil
		q.fresh = q.fresh[1:]
		return q.take(w)
	case retry:
		return q.take(heap.Pop(&q.retries).(*waiting))
	}
	return nil
}

// take begins to send one.
func (q *queue) take(w *waiting) *waiting {
	delete(q.waiting, w.user)
	q.sending[w.user] = w
	return w
}

// due returns when the next one is to be sent: false if none is.
func (q *queue) due() (time.Time, bool) {
	switch {
	case len(q.fresh) > 0:
		return time.Time{}, true
	case len(q.retries) > 0:
		return q.retries[0].due, true
	}
	return time.Time{}, false
}

// sent ends the sending of one that the receiver has taken, or that is no longer to be told.
func (q *queue) sent(w *waiting) {
	delete(q.sending, w.user)
	q.remove(w)
	if later := q.waiting[w.user]; later != nil {
		q.fresh = append(q.fresh, later)
	}
}

// failed ends the sending of one that the receiver has not taken: it waits until a moment. If there is something newer, that takes its place.
func (q *queue) failed(w *waiting, due time.Time) {
	delete(q.sending, w.user)
	later := q.waiting[w.user]
	q.waiting[w.user] = w
	w.unsure = true
	if later == nil {
		w.attempts++
		w.due = due
		heap.Push(&q.retries, w)
		return
	}
	q.remove(later)
	w.attempts, w.changed, w.renewal = 0, later.changed, later.renewal
	q.fresh = append(q.fresh, w)
}

// append puts one at the end of all.
func (q *queue) append(w *waiting) {
	if w.previous = q.last; q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.size++
}

// remove takes one out of all.
func (q *queue) remove(w *waiting) {
	if w.previous != nil {
		w.previous.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.previous = w.previous
	} else {
		q.last = w.previous
	}
	w.next, w.previous = nil, nil
	q.size--
}

// retries is a heap of those that are to be sent again, the earliest first.
type retries []*waiting

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].due.Before(r[j].due) }
func (r retries) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}

// Push implements heap.Interface.
func (r *retries) Push(w any) {
	w.(*waiting).index = len(*r)
	*r = append(*r, w.(*waiting))
}

// Pop implements heap.Interface.
func (r *retries) Pop() any {
	last := len(*r) - 1
	w := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	w.index = -1
	return w
}
