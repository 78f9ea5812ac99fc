package domain

import "strings"

// Device is what one of a user's devices says: an XMPP resource, an IRC session, a telephone.
type Device struct {
	Name     string // unique among the user's devices; opaque
	Message  string
	Status   Status
	Activity Activity
	Until    Timestamp // the last moment at which it holds; zero: until it says something else
}

// Devices holds a user's devices that are not unavailable. The zero value holds none and is ready to use; do not copy it. It is a
// list because nearly everybody has one or two devices, and there may be a million users.
type Devices struct {
	newest *listedDevice
}

type listedDevice struct {
	Device
	older *listedDevice
}

// None reports whether no device is there.
func (d *Devices) None() bool { return d.newest == nil }

// Set records what a device says, and makes it the newest. A repetition changes nothing, not even the order; Unavailable removes
// the device. Of more devices than most, the one that has been quiet for longest is removed.
func (d *Devices) Set(device Device, most int) {
	if device.Status == Unavailable {
		d.Remove(device.Name, false)
		return
	}
	var free *listedDevice
	count := 0
	for link := &d.newest; *link != nil; {
		known := *link
		switch {
		case known.Device == device:
			return
		case known.Name == device.Name, count >= most-1:
			*link, free = known.older, known
		default:
			count++
			link = &known.older
		}
	}
	if most <= 0 {
		return
	}
	if free == nil {
		free = new(listedDevice)
	}
	*free = listedDevice{Device: device, older: d.newest}
	d.newest = free
}

// Remove removes the device of a name, or all whose names begin with it.
func (d *Devices) Remove(name string, prefix bool) {
	for link := &d.newest; *link != nil; {
		known := *link
		if known.Name == name || prefix && strings.HasPrefix(known.Name, name) {
			*link = known.older
		} else {
			link = &known.older
		}
	}
}

// Get returns what the device of a name says, if it is there.
func (d *Devices) Get(name string) (device Device, there bool) {
	for known := d.newest; known != nil; known = known.older {
		if known.Name == name {
			return known.Device, true
		}
	}
	return Device{}, false
}

// Size returns how many devices there are, and how many bytes their names and messages have.
func (d *Devices) Size() (devices, bytes int) {
	for known := d.newest; known != nil; known = known.older {
		devices++
		bytes += len(known.Name) + len(known.Message)
	}
	return devices, bytes
}

// Merge returns what all devices show together, and up to when, if that is known. The newest device that has the strongest status decides: busy if any is busy, else
// available if any is, else away, else unavailable.
func (d *Devices) Merge() (shown Shown, until Timestamp) {
	for known := d.newest; known != nil; known = known.older {
		if known.Status > shown.Status {
			shown, until = Shown{Status: known.Status, Activity: known.Activity, Message: known.Message}, known.Until
		}
	}
	return shown, until
}

// Report is what a protocol says about one device of a user at one moment.
type Report struct {
	User     UserID
	Device   string // empty with Unavailable: all devices of the user
	Message  string
	Status   Status
	Activity Activity  // what the user is doing there
	Until    Timestamp // the last moment at which it holds, if the source knows that, as the end of a meeting; else zero
	Prefix   bool      // with Unavailable: it is about all devices whose names begin with Device

	// With Unavailable: nobody has said so, but the source hears nothing of the device any more. If it was the user's last, what the user shows
	// is kept as stale for Source.StaleAfter. With another status: the source has not been able to ask for a while, and this is what it knew last, as
	// the meeting in a calendar whose server is away. The user shows it as stale.
	Stale bool
}
