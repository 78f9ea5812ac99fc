package domain

// MaxDevices is how many devices of one user count on one protocol. A further one takes the place of the one that has been
// quiet for longest, so that no server can make a user grow without bound.
const MaxDevices = 32

// Device is what one of a user's devices says: an XMPP resource, an IRC session, a telephone.
type Device struct {
	Name    string // unique among the user's devices; opaque
	Message string
	Status  Status
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

// Clear removes all devices.
func (d *Devices) Clear() { d.newest = nil }

// Set records what a device says, and makes it the newest. A repetition changes nothing, not even the order; Unavailable removes
// the device.
func (d *Devices) Set(device Device) {
	gone := device.Status == Unavailable
	var free *listedDevice
	count := 0
	for link := &d.newest; *link != nil; {
		known := *link
		switch {
		case known.Device == device:
			return
		case known.Name == device.Name, count == MaxDevices-1 && !gone:
			*link, free = known.older, known
		default:
			count++
			link = &known.older
		}
	}
	if gone {
		return
	}
	if free == nil {
		free = new(listedDevice)
	}
	*free = listedDevice{Device: device, older: d.newest}
	d.newest = free
}

// Merge returns the one status of all devices, and the message of the newest device that has it: busy if any is busy, else
// available if any is, else away, else unavailable.
func (d *Devices) Merge() (Status, string) {
	status, message := Unavailable, ""
	for known := d.newest; known != nil; known = known.older {
		if known.Status > status {
			status, message = known.Status, known.Message
		}
	}
	return status, message
}

// Report is what a protocol says about one device of a user at one moment.
type Report struct {
	User    UserID
	Device  string // empty with Unavailable: all devices of the user
	Status  Status
	Message string
}
