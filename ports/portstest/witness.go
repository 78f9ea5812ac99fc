package portstest

import (
	"cmp"
	"slices"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Observer = (*witness)(nil)

// maxDevices is more than the stage has.
const maxDevices = 100

// witness is an observer that keeps what it is told as the daemon does, and notes what the contract forbids.
type witness struct {
	record
	first        string // what it was told first
	connected    int
	synced       int
	devices      map[domain.UserID]domain.Devices
	names        map[domain.UserID][]string // of the devices that are there
	beforeSynced map[domain.UserID]bool     // who was reported before Synced
}

func newWitness() *witness {
	return &witness{devices: map[domain.UserID]domain.Devices{}, names: map[domain.UserID][]string{}, beforeSynced: map[domain.UserID]bool{}}
}

// told takes one call. The user is empty in a call that is about none.
func (w *witness) told(call string, user domain.UserID, take func()) {
	w.note(call, func() {
		if w.first == "" && call != "Connected" {
			w.fault("%s was called before Connected", call)
		}
		w.first = cmp.Or(w.first, call)
		if call != "Connected" && call != "Synced" {
			if parsed, err := domain.ParseUserID(string(user)); err != nil || parsed != user {
				w.fault("%q is no user id as domain.ParseUserID makes it", user)
			}
		}
		take()
	})
}

// Connected implements ports.Observer.
func (w *witness) Connected() { w.told("Connected", "", func() { w.connected++ }) }

// Known implements ports.Observer.
func (w *witness) Known(user domain.UserID) { w.told("Known", user, func() {}) }

// Report implements ports.Observer.
func (w *witness) Report(report domain.Report) {
	w.told("Report", report.User, func() {
		devices, user := w.devices[report.User], report.User
		w.names[user] = slices.DeleteFunc(w.names[user], func(name string) bool { return name == report.Device })
		switch {
		case report.Status != domain.Unavailable:
			w.names[user] = append(w.names[user], report.Device)
			w.beforeSynced[user] = w.beforeSynced[user] || w.synced == 0
		case report.Device == "":
			devices.Clear()
			w.names[user] = nil
		}
		if report.Device != "" || report.Status != domain.Unavailable {
			devices.Set(domain.Device{Name: report.Device, Status: report.Status, Message: report.Message}, maxDevices)
		}
		w.devices[user] = devices
	})
}

// Forget implements ports.Observer.
func (w *witness) Forget(user domain.UserID) {
	w.told("Forget", user, func() {
		delete(w.devices, user)
		delete(w.names, user)
	})
}

// TakesUser implements ports.Observer.
func (w *witness) TakesUser() bool { return true }

// TakesDevice implements ports.Observer.
func (w *witness) TakesDevice(int) bool { return true }

// Synced implements ports.Observer.
func (w *witness) Synced() { w.told("Synced", "", func() { w.synced++ }) }
