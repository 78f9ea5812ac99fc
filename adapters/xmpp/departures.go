package xmpp

import (
	"sync"
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// maxDepartures is how many departures wait at most.
const maxDepartures = 16_384

// departures is an observer that passes everything on, but that somebody is unavailable only a moment later. A server that is
// stopped or restarted may end the users' connections before ours, and then tells of each that it is unavailable: they are to be
// kept as stale like everybody else, so what has not been passed on when the link is lost is dropped. Whoever is really gone then
// is not announced again after the next login.
type departures struct {
	ports.Observer
	first chan struct{} // one token when somebody waits, after nobody has

	waits atomic.Bool // whether anybody is held
	mu    sync.Mutex
	held  []domain.Report
	users map[domain.UserID]struct{} // of held
}

func newDepartures(observer ports.Observer) *departures {
	return &departures{Observer: observer, first: make(chan struct{}, 1), users: make(map[domain.UserID]struct{})}
}

// Report implements ports.Observer.
func (d *departures) Report(report domain.Report) {
	if report.Status == domain.Unavailable {
		d.hold(report)
		return
	}
	if d.waits.Load() {
		d.passBefore(report.User)
	}
	d.Observer.Report(report)
}

// Forget implements ports.Observer.
func (d *departures) Forget(user domain.UserID) {
	d.pass()
	d.Observer.Forget(user)
}

// Synced implements ports.Observer.
func (d *departures) Synced() {
	d.pass()
	d.Observer.Synced()
}

func (d *departures) hold(report domain.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.held) >= maxDepartures {
		d.passHeld()
	}
	if len(d.held) == 0 {
		select {
		case d.first <- struct{}{}:
		default:
		}
	}
	d.held = append(d.held, report)
	d.users[report.User] = struct{}{}
	d.waits.Store(true)
}

// passBefore passes on what is held if any of it is about a user of whom there is something new.
func (d *departures) passBefore(user domain.UserID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, held := d.users[user]; held {
		d.passHeld()
	}
}

// pass passes on what is held.
func (d *departures) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passHeld()
}

func (d *departures) passHeld() {
	for _, report := range d.held {
		d.Observer.Report(report)
	}
	d.held = nil
	clear(d.users)
	d.waits.Store(false)
}
