package portstest

import (
	"cmp"
	"slices"
	"strings"

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
func (w *witness) Known(user domain.UserID) bool {
	w.told("Known", user, func() {})
	return true
}

// Report implements ports.Observer.
func (w *witness) Report(report domain.Report) bool {
	w.told("Report", report.User, func() {
		devices, user := w.devices[report.User], report.User
		gone := report.Status == domain.Unavailable
		several := gone && (report.Prefix || report.Device == "")
		w.names[user] = slices.DeleteFunc(w.names[user], func(name string) bool {
			return name == report.Device || several && strings.HasPrefix(name, report.Device)
		})
		if gone {
			devices.Remove(report.Device, several)
		} else {
			w.names[user] = append(w.names[user], report.Device)
			w.beforeSynced[user] = w.beforeSynced[user] || w.synced == 0
			devices.Set(domain.Device{Name: report.Device, Status: report.Status, Message: report.Message}, maxDevices)
		}
		w.devices[user] = devices
	})
	return true
}

// Forget implements ports.Observer.
func (w *witness) Forget(user domain.UserID) {
	w.told("Forget", user, func() {
		delete(w.devices, user)
		delete(w.names, user)
	})
}

// Synced implements ports.Observer.
func (w *witness) Synced() { w.told("Synced", "", func() { w.synced++ }) }
