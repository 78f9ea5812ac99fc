package app

import (
	"github.com/zarafa/presence/domain"
)

// attendance is what a source has told during one Run, and of whom that is still to be written. Not for concurrent use.
type attendance struct {
	devices   map[domain.UserID]domain.Devices // every user this Run has told of, also those without a device
	forgotten map[domain.UserID]struct{}       // users to be written whom the protocol does not know any more
	dirty     map[domain.UserID]struct{}       // users to be written
	synced    bool
	sweep     bool // everybody in the store is to be compared with devices
}

// keptDirty is for how many users an attendance keeps room when they are written.
const keptDirty = 8192

func newAttendance() *attendance {
	return &attendance{
		devices:   make(map[domain.UserID]domain.Devices),
		forgotten: make(map[domain.UserID]struct{}),
		dirty:     make(map[domain.UserID]struct{}),
	}
}

func (a *attendance) known(user domain.UserID) {
	if _, known := a.devices[user]; known {
		return
	}
	a.devices[user] = domain.Devices{}
	delete(a.forgotten, user)
	if a.synced {
		a.mark(user)
	}
}

func (a *attendance) report(report *domain.Report) {
	before, known := a.devices[report.User]
	devices := before
	if report.Device == "" && report.Status == domain.Unavailable {
		devices.Clear()
	} else {
		devices.Set(domain.Device{Name: report.Device, Status: report.Status, Message: domain.ClipMessage(report.Message)})
	}
	if !known || devices != before {
		a.devices[report.User] = devices
	}
	if len(a.forgotten) > 0 {
		delete(a.forgotten, report.User)
	}
	if !a.synced && devices.None() && report.Device != "" {
		return // another device may have been there before this Run and not been reported yet
	}
	a.mark(report.User)
}

func (a *attendance) forget(user domain.UserID) {
	delete(a.devices, user)
	a.forgotten[user] = struct{}{}
	a.mark(user)
}

// sync notes that everyone who is online has been reported.
func (a *attendance) sync() { a.synced, a.sweep = true, true }

// mark notes that a user is to be written.
func (a *attendance) mark(user domain.UserID) { a.dirty[user] = struct{}{} }

// takeSweep reports whether everybody in the store is to be compared now, once.
func (a *attendance) takeSweep() bool {
	sweep := a.sweep
	a.sweep = false
	return sweep
}

// compare notes a user from the store if it has no device but is shown as if it had.
func (a *attendance) compare(user domain.UserID, shown bool) {
	devices, known := a.devices[user]
	if known { // the store's copy of the id takes the place of ours, so that it is in memory once
		delete(a.devices, user)
		a.devices[user] = devices
	}
	if shown && devices.None() {
		a.mark(user)
	}
}

// markAbsent notes everyone who is known and has no device: they are unavailable.
func (a *attendance) markAbsent() {
	for user, devices := range a.devices {
		if devices.None() {
			a.mark(user)
		}
	}
}

// markAll notes everyone, if all that are online have been reported.
func (a *attendance) markAll() {
	if !a.synced {
		return
	}
	for user := range a.devices {
		a.mark(user)
	}
}

// takeDirty returns what is to be written now.
func (a *attendance) takeDirty() []sighting {
	seen := make([]sighting, 0, len(a.dirty))
	for user := range a.dirty {
		devices := a.devices[user]
		status, message := devices.Merge()
		_, gone := a.forgotten[user]
		seen = append(seen, sighting{user: user, message: message, status: status, gone: gone})
	}
	clear(a.forgotten)
	if len(a.dirty) > keptDirty {
		a.dirty = make(map[domain.UserID]struct{}) // a cleared map would keep the room of its largest day
	} else {
		clear(a.dirty)
	}
	return seen
}

// noteAgain notes what could not be written. What has been told meanwhile counts more.
func (a *attendance) noteAgain(seen []sighting) {
	for _, s := range seen {
		a.mark(s.user)
		if _, back := a.devices[s.user]; s.gone && !back {
			a.forgotten[s.user] = struct{}{}
		}
	}
}

// sighting is what is to be written of one user.
type sighting struct {
	user    domain.UserID
	message string
	status  domain.Status
	gone    bool
}

// update returns what becomes of a user's stored presence. What says the same as before is not written again for a while: unlike a
// client's update, a report holds until it is withdrawn.
func (s sighting) update(old domain.Presence, now domain.Timestamp) domain.Presence {
	stored := old.Revision != 0
	if s.gone {
		if !stored {
			return old
		}
		return old.Remove(now)
	}
	next := old.Observe(s.status, s.message, domain.ExpiryPolicy{}, now)
	if stored && !old.Differs(next) && next.Updated < old.Updated.Add(renewEvery) {
		return old
	}
	return next
}
