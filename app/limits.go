package app

import (
	"cmp"
	"sync/atomic"
)

// Limits bounds what the daemon keeps, whatever servers and clients say.
type Limits struct {
	Users       int   // of all protocols; who is there may stay. 0: any number
	Devices     int   // of a user on a protocol; a further one takes the place of the one that has been quiet for longest. 0: 32
	SourceBytes int64 // of what one source has told: users, devices and messages. 0: 1 GiB
}

// orDefault returns the limits with the defaults for those that are 0. A million users with two devices each and short messages take two
// thirds of the default of SourceBytes.
func (l Limits) orDefault() Limits {
	return Limits{Users: l.Users, Devices: cmp.Or(l.Devices, 32), SourceBytes: cmp.Or(l.SourceBytes, 1<<30)}
}

// CurrentLimits are the Limits that hold at present. They may be set and read concurrently. A nil *CurrentLimits has the defaults.
type CurrentLimits struct{ now atomic.Pointer[Limits] }

// NewCurrentLimits returns limits that can be changed.
func NewCurrentLimits(l Limits) *CurrentLimits {
	c := new(CurrentLimits)
	c.Set(l)
	return c
}

// Set changes the limits. What is there already stays, even if it is more.
func (c *CurrentLimits) Set(l Limits) {
	l = l.orDefault()
	c.now.Store(&l)
}

// Get returns the limits.
func (c *CurrentLimits) Get() Limits {
	if c == nil {
		return Limits{}.orDefault()
	}
	return *c.now.Load()
}

// What a user and a device take besides their names and messages, in bytes and generously: in the image, in the session, and in the lists
// that a source may keep.
const (
	userOverhead   = 400
	deviceOverhead = 100
)

// messageBytes returns how many of the bytes messages may fill. The rest is for users and devices without messages.
func (l Limits) messageBytes() int64 { return l.SourceBytes - l.SourceBytes/4 }
