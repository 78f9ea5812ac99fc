package app

import "cmp"

// Limits bounds what the daemon keeps, whatever servers and clients say.
type Limits struct {
	Devices     int   // of a user on a protocol; a further one takes the place of the one that has been quiet for longest. 0: 32
	SourceBytes int64 // of what one source has told: users, devices and messages. 0: 1 GiB
}

// orDefault returns the limits with the defaults for those that are 0. A million users with two devices each and short messages take two
// thirds of the default of SourceBytes.
func (l Limits) orDefault() Limits {
	return Limits{Devices: cmp.Or(l.Devices, 32), SourceBytes: cmp.Or(l.SourceBytes, 1<<30)}
}

// What a user and a device take besides their names and messages, in bytes and generously: in the image, in the session, and in the lists
// that a source may keep.
const (
	userOverhead   = 400
	deviceOverhead = 100
)

// messageBytes returns how many of the bytes messages may fill. The rest is for users and devices without messages.
func (l Limits) messageBytes() int64 { return l.SourceBytes - l.SourceBytes/4 }
