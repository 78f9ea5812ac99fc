package caldav

import (
	"container/heap"

	"github.com/zarafa/presence/domain"
)

// place is where something is in a queue.
type place struct {
	at    domain.Timestamp // when it is its turn
	index int              // in the heap, counted from 1; 0: it is in no queue
}

func (p *place) spot() *place { return p }

// queue is a heap of things that have a time. The zero value is empty.
type queue[T interface{ spot() *place }] struct{ items []T }

// set puts something into the queue, or moves it.
func (q *queue[T]) set(item T, at domain.Timestamp) {
	spot := item.spot()
	spot.at = at
	if spot.index == 0 {
		heap.Push((*ordered[T])(q), item)
	} else {
		heap.Fix((*ordered[T])(q), spot.index-1)
	}
}

// remove takes something out, if it is there.
func (q *queue[T]) remove(item T) {
	if spot := item.spot(); spot.index > 0 {
		heap.Remove((*ordered[T])(q), spot.index-1)
	}
}

// first returns what is next, and when; false if the queue is empty.
func (q *queue[T]) first() (item T, at domain.Timestamp, found bool) {
	if len(q.items) == 0 {
		return item, 0, false
	}
	return q.items[0], q.items[0].spot().at, true
}

// ordered implements heap.Interface.
type ordered[T interface{ spot() *place }] queue[T]

func (o *ordered[T]) Len() int           { return len(o.items) }
func (o *ordered[T]) Less(i, j int) bool { return o.items[i].spot().at < o.items[j].spot().at }

func (o *ordered[T]) Swap(i, j int) {
	o.items[i], o.items[j] = o.items[j], o.items[i]
	o.items[i].spot().index, o.items[j].spot().index = i+1, j+1
}

// Push implements heap.Interface.
func (o *ordered[T]) Push(item any) {
	added := item.(T) //nolint:forcetypeassert // queue pushes nothing else
	o.items = append(o.items, added)
	added.spot().index = len(o.items)
}

// Pop implements heap.Interface.
func (o *ordered[T]) Pop() any {
	last := len(o.items) - 1
	item := o.items[last]
	var none T
	o.items[last] = none
	o.items = o.items[:last]
	item.spot().index = 0
	return item
}
