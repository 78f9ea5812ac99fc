package xmpp

import (
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// maxHeld is how many reports are held at most.
const maxHeld = 16_384

// delayed is an observer that passes everything on, but holds back for a moment that a device is unavailable. A server that is stopped
// may end the users' connections before ours, and then it says of each device that it is unavailable. These users are to be kept as
// stale like everybody else, so what is still held when the link is lost is dropped. Whoever has really left is not announced after
// the next login.
type delayed struct {
	ports.Observer
	first chan struct{} // one token when a report is held after none was

	mu    sync.Mutex
	held  []domain.Report
	users map[domain.UserID]struct{} // of held
}

func newDelayed(observer ports.Observer) *delayed {
	return &delayed{Observer: observer, first: make(chan struct{}, 1), users: make(map[domain.UserID]struct{})}
}

// Report implements ports.Observer.
func (d *delayed) Report(report domain.Report) bool {
	if report.Status == domain.Unavailable {
		d.hold(report)
		return true
	}
	d.passBefore(report.User)
	return d.Observer.Report(report)
}

// Forget implements ports.Observer.
func (d *delayed) Forget(user domain.UserID) {
	d.pass()
	d.Observer.Forget(user)
}

// Synced implements ports.Observer.
func (d *delayed) Synced() {
	d.pass()
	d.Observer.Synced()
}

func (d *delayed) hold(report domain.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.held) >= maxHeld {
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
}

// passBefore passes on what is held if any of it is about a user who now shows something else: nothing may overtake it.
func (d *delayed) passBefore(user domain.UserID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, held := d.users[user]; held {
		d.passHeld()
	}
}

// pass passes on what is held.
func (d *delayed) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passHeld()
}

func (d *delayed) passHeld() {
	for _, report := range d.held {
		d.Observer.Report(report)
	}
	d.held = nil
	clear(d.users)
}
