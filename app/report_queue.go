package app

import (
	"sync"

	"github.com/zarafa/presence/domain"
)

// reportQueue takes reports that will certainly be kept. It lets a source go on at once: to make a report a part of the session takes several
// looks into large maps, which is much faster for many reports in a row than between the stanzas of a server (see BenchmarkIngest in
// adapters/xmpp). Its lock is held for moments only.
type reportQueue struct {
	mu      sync.Mutex
	allowed int // how many more may be queued
	reports []domain.Report
	taken   []domain.Report // the memory of those before
}

// mostQueued is how many reports are queued at most.
const mostQueued = 4096

// add queues a report, unless nobody knows whether there is room for it.
func (q *reportQueue) add(report domain.Report) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.allowed <= 0 {
		return false
	}
	q.allowed--
	q.reports = append(q.reports, report)
	return true
}

// allow lets so many reports be queued. The queue is empty.
func (q *reportQueue) allow(reports int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.allowed = min(reports, mostQueued)
}

// take takes out what is queued. It is used until the next call.
func (q *reportQueue) take() []domain.Report {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.taken)
	q.taken, q.reports = q.reports, q.taken[:0]
	q.allowed = 0
	return q.taken
}
