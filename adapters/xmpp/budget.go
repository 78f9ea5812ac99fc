package xmpp

import "github.com/zarafa/presence/domain"

// maxMemory is how much the whole daemon may keep of what a server makes us know, in bytes: users, their devices, their messages.
// A million users with two devices each and short messages take two thirds of it. A hostile server could name any number.
const maxMemory = 1 << 30

// What the daemon keeps besides names and messages, in bytes and generously: contacts here and the use cases' lists and the store.
const (
	contactOverhead = 400
	aliasOverhead   = 100
	deviceOverhead  = 100
)

// budget bounds what is kept. Messages do not get all of it: first users are shown without their messages, then further devices and
// users are ignored.
type budget struct {
	most     int
	used     int
	exceeded bool
}

// take takes size bytes for a user or a device, if there are as many.
func (b *budget) take(size int) bool { return b.takeOf(b.most, size) }

// takeMessage takes size bytes for a message.
func (b *budget) takeMessage(size int) bool { return b.takeOf(b.most-b.most/4, size) }

func (b *budget) takeOf(most, size int) bool {
	if size > 0 && b.used+size > most {
		return false
	}
	b.used += size
	return true
}

func (b *budget) giveBack(size int) { b.used -= size }

// contactSize returns what a JID takes of the budget.
func contactSize(bare string, user domain.UserID) int {
	if bare == string(user) {
		return contactOverhead + len(bare)
	}
	return contactOverhead + aliasOverhead + len(bare) + len(user)
}

// deviceSize returns what a device takes of it without its message.
func deviceSize(name int) int { return deviceOverhead + name }
