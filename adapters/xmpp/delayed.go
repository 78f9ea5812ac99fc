package xmpp

import (
	"sync"
	"time"

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
	moment time.Duration

	mu    sync.Mutex
	timer *time.Timer // passes on what is held
	held  []domain.Report
	users map[domain.UserID]struct{} // of held
}

func newDelayed(observer ports.Observer, moment time.Duration) *delayed {
	d := &delayed{Observer: observer, moment: moment, users: make(map[domain.UserID]struct{})}
	d.timer = time.AfterFunc(moment, d.pass)
	return d
}

// Report implements ports.Observer.
func (d *delayed) Report(report domain.Report) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if report.Status != domain.Unavailable {
		if _, held := d.users[report.User]; held { // nothing may overtake it
			d.passHeld()
		}
		return d.Observer.Report(report)
	}
	if len(d.held) >= maxHeld {
		d.passHeld()
	}
	if len(d.held) == 0 {
		d.timer.Reset(d.moment)
	}
	d.held = append(d.held, report)
	d.users[report.User] = struct{}{}
	return true
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

// drop forgets what is held. Nothing is passed on any more when it has returned.
func (d *delayed) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer.Stop()
	d.held = nil
}
