package app

import (
	"time"

	"github.com/zarafa/presence/domain"
)

// tick is how exactly the agenda keeps time, and how often the expirer looks into it.
const tick = 250 * time.Millisecond

// agenda keeps what is to be looked at when, for millions of entries: an entry costs one append when it is put in and one
// read when its time has come, and nothing between. Not for concurrent use.
type agenda struct {
	pages map[int64][]appointment // by the tick at whose end they are due
	next  int64                   // the first page that has not been taken out
}

// appointment says to look at a user's presence that has this revision. It has lapsed once there is none.
type appointment struct {
	user     domain.UserID
	revision domain.Revision
}

func newAgenda(now domain.Timestamp) *agenda {
	return &agenda{pages: make(map[int64][]appointment), next: page(now)}
}

func page(at domain.Timestamp) int64 { return int64(at) / int64(tick) }

// add puts in an appointment for the first tick that begins after at.
func (a *agenda) add(at domain.Timestamp, entry appointment) {
	due := max(page(at)+1, a.next)
	a.pages[due] = append(a.pages[due], entry)
}

// take calls visit for all appointments that are due, and removes them. visit may add new ones.
func (a *agenda) take(now domain.Timestamp, visit func([]appointment)) {
	last := page(now)
	a.next = min(a.next, last) // the clock may have been set back
	for a.next <= last {
		current := a.next
		a.next++ // first, so that what visit adds is not put on the page that is being taken
		if due, ok := a.pages[current]; ok {
			delete(a.pages, current)
			visit(due)
		}
	}
}
