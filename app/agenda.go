package app

import (
	"slices"
	"time"

	"github.com/zarafa/presence/domain"
)

// tick is how exactly the agenda keeps time, and how often the expirer looks into it.
const tick = 250 * time.Millisecond

// agenda keeps what is to be looked at when, for millions of entries: an entry costs one append when it is put in and one
// read when its time has come, and nothing between. Not for concurrent use.
type agenda struct {
	pages map[int64][][]appointment // by the tick at whose end they are due, in sheets of at most sheetSize
	next  int64                     // the first page that has not been taken out
}

// sheetSize is how many appointments lie together: so many that a sheet costs nothing, and few enough that what the last one has room
// for does not count.
const sheetSize = 512

// appointment says to look at a user's presence that has this revision. It has lapsed once there is none.
type appointment struct {
	user     domain.UserID
	revision domain.Revision
}

func newAgenda(now domain.Timestamp) *agenda {
	return &agenda{pages: make(map[int64][][]appointment), next: page(now)}
}

func page(at domain.Timestamp) int64 { return int64(at) / int64(tick) }

// add puts in an appointment for the first tick that begins after at.
func (a *agenda) add(at domain.Timestamp, entry appointment) {
	due := max(page(at)+1, a.next)
	sheets := a.pages[due]
	last := len(sheets) - 1
	if last < 0 || len(sheets[last]) == sheetSize {
		sheets = append(sheets, nil)
		a.pages[due] = sheets
		last++
	}
	sheets[last] = append(sheets[last], entry)
}

// take calls visit with all appointments that are due, sheet by sheet, and removes them. visit may add new ones.
func (a *agenda) take(now domain.Timestamp, visit func([]appointment)) {
	last := page(now)
	for _, current := range a.due(last) {
		due := a.pages[current]
		delete(a.pages, current)
		a.next = current + 1 // first, so that what visit adds is not put on the page that is being taken
		for _, sheet := range due {
			visit(sheet)
		}
	}
	a.next = last + 1 // also if the clock was set back
}

// due returns the pages up to last, in order. After a leap of the clock it does not try every page that there could be.
func (a *agenda) due(last int64) []int64 {
	var due []int64
	if last-a.next > int64(len(a.pages)) {
		for number := range a.pages {
			if number <= last {
				due = append(due, number)
			}
		}
		slices.Sort(due)
		return due
	}
	for number := a.next; number <= last; number++ {
		if _, ok := a.pages[number]; ok {
			due = append(due, number)
		}
	}
	return due
}
