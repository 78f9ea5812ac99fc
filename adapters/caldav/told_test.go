package caldav

import (
	"context"
	"sync"
	"testing"

	"github.com/zarafa/presence/domain"
)

// told is a ports.Observer that keeps what it is told.
type told struct {
	mu        sync.Mutex
	connected bool
	synced    bool
	reports   map[domain.UserID]domain.Report
	known     map[domain.UserID]bool
	count     int
	full      bool // there is no room; set before the Run
	asOf      domain.Timestamp
	trouble   error
	each      func(domain.Report) // if it is set
}

func newTold() *told {
	return &told{reports: make(map[domain.UserID]domain.Report), known: make(map[domain.UserID]bool)}
}

func (o *told) note(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
	return true
}

func (o *told) Connected()       { o.note(func() { o.connected = true }) }
func (o *told) Synced()          { o.note(func() { o.synced = true }) }
func (o *told) Unconfirmed() int { return 0 }

func (o *told) AsOf(at domain.Timestamp, trouble error) {
	o.note(func() { o.asOf, o.trouble = at, trouble })
}

func (o *told) age() (asOf domain.Timestamp, trouble error) {
	o.note(func() { asOf, trouble = o.asOf, o.trouble })
	return asOf, trouble
}

func (o *told) Known(user domain.UserID) bool {
	return o.note(func() { o.known[user] = true }) && !o.full
}

func (o *told) Report(r domain.Report) bool {
	return o.note(func() {
		o.reports[r.User] = r
		if o.count++; o.each != nil {
			o.each(r)
		}
	})
}

func (o *told) Forget(user domain.UserID) {
	o.note(func() { delete(o.reports, user); delete(o.known, user) })
}

func (o *told) get(user domain.UserID) (report domain.Report) {
	o.note(func() { report = o.reports[user] })
	return report
}

func (o *told) isSynced() (synced bool) {
	o.note(func() { synced = o.synced })
	return synced
}

// running is a Run that a test ends.
type running struct {
	*told
	stop func()
	err  chan error
}

func runSource(t testing.TB, s *Source) *running {
	t.Helper()
	return runInto(t, s, newTold())
}

func runInto(t testing.TB, s *Source, o *told) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{told: o, err: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.err <- s.Run(ctx, r.told)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(r.stop)
	return r
}

// shows waits until a user shows a status.
func (r *running) shows(t testing.TB, user domain.UserID, want domain.Status) domain.Report {
	t.Helper()
	eventually(t, string(user)+" is "+want.String(), func() bool { return r.get(user).Status == want })
	return r.get(user)
}

func (o *told) isKnown(user domain.UserID) (known bool) {
	o.note(func() { known = o.known[user] })
	return known
}
