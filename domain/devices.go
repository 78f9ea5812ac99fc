package domain

import "slices"

// MaxDevices is how many devices of one user count on one protocol. A further one takes the place of the one that has been
// quiet for longest, so that no server can make a user grow without bound.
const MaxDevices = 32

// Device is what one of a user's devices says: an XMPP resource, an IRC session, a telephone.
type Device struct {
	Name    string // unique among the user's devices; opaque
	Message string
	Status  Status
}

// Devices holds a user's devices that are not unavailable, the one that changed last at the end. The zero value is ready to use.
// It is changed by assigning a method's result, like append's.
type Devices []Device

// Set records what a device says and returns the new list. A repetition changes nothing, not even the order; Unavailable
// removes the device.
func (d Devices) Set(device Device) Devices {
	at := slices.IndexFunc(d, func(known Device) bool { return known.Name == device.Name })
	if at >= 0 {
		if d[at] == device {
			return d
		}
		d = slices.Delete(d, at, at+1)
	}
	if device.Status == Unavailable {
		return d
	}
	if len(d) >= MaxDevices {
		d = slices.Delete(d, 0, len(d)-MaxDevices+1)
	}
	return append(d, device)
}

// Merge returns the one status of all devices, and the message of the newest device that has it: busy if any is busy, else
// available if any is, else away, else unavailable.
func (d Devices) Merge() (Status, string) {
	status, message := Unavailable, ""
	for _, device := range d {
		if device.Status >= status {
			status, message = device.Status, device.Message
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
