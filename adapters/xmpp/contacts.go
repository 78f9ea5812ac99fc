package xmpp

import (
	"slices"

	"github.com/zarafa/presence/domain"
)

// contact is what is known of one JID, and the user that it stands for.
type contact struct {
	user    domain.UserID
	devices uint32 // the available ones, in session.devices
	visible bool   // a contact whose presence we may see
	asked   bool   // we have asked to see its presence
	online  bool   // an available presence has been reported on this connection
	past    past
}

// past says what the use cases know of a contact from an earlier connection. Its devices are not remembered.
type past uint8

const (
	untold     past = iota // nothing
	wasOnline              // that the user was online
	wasVisible             // that it was a contact whose presence we could see: until the roster arrives, it may still be one
)

// told reports whether the use cases know the user because of this JID.
func (c contact) told() bool { return c.visible || c.online || c.past != untold }

// maxAliases is how many JIDs besides the one that is the user's id may stand for one user.
const maxAliases = 32

// maxUncounted bounds contacts.uncounted, in bytes: half a million JIDs of usual length.
const maxUncounted = 256 << 20

// contactOverhead is what a JID takes besides its name, in bytes and generously.
const contactOverhead = 400

// contacts are the JIDs that this connection or an earlier one has shown. A user that the use cases were told of stays here until they are
// told to forget it. The use cases count one JID for each such user, and say when there is no room for more: see ports.Observer. All other
// JIDs are counted here.
type contacts struct {
	byJID     map[string]contact         // by the bare JID in lower case
	aliases   map[domain.UserID][]string // JIDs that are not their user's id; domain_map and strip_domain can give a user many
	uncounted int                        // bytes of the JIDs that the use cases do not count
}

func newContacts() contacts {
	return contacts{byJID: make(map[string]contact), aliases: make(map[domain.UserID][]string)}
}

// renew forgets what was true of the last connection only.
func (c *contacts) renew() {
	clear(c.aliases)
	c.uncounted = 0
	for bare, was := range c.byJID {
		now := contact{user: was.user, past: was.past}
		switch {
		case was.visible:
			now.past = wasVisible
		case was.online && was.past == untold:
			now.past = wasOnline
		}
		if now.past == untold {
			delete(c.byJID, bare)
			continue
		}
		c.byJID[bare] = now
		c.alias(bare, now.user)
	}
}

// add adds a JID that is not there.
func (c *contacts) add(bare string, contact contact) {
	c.set(bare, contact)
	c.alias(bare, contact.user)
}

// alias notes a JID as one of its user's, if it is not the user's id.
func (c *contacts) alias(bare string, user domain.UserID) {
	if bare == string(user) {
		return
	}
	c.uncounted -= c.furtherAliases(user)
	c.aliases[user] = append(c.aliases[user], bare)
	c.uncounted += c.furtherAliases(user)
}

// set notes what has become of a JID.
func (c *contacts) set(bare string, now contact) {
	if was, there := c.byJID[bare]; there {
		c.uncounted -= was.untoldSize(bare)
	}
	c.uncounted += now.untoldSize(bare)
	c.byJID[bare] = now
}

// untoldSize returns what a JID takes, in bytes, if the use cases were not told of its user because of it; else 0.
func (c contact) untoldSize(bare string) int {
	if c.told() {
		return 0
	}
	return contactOverhead + len(bare)
}

// furtherAliases returns what the aliases of a user take, in bytes, if there are several; else 0.
func (c *contacts) furtherAliases(user domain.UserID) (size int) {
	if aliases := c.aliases[user]; len(aliases) > 1 {
		for _, alias := range aliases {
			size += contactOverhead + len(alias)
		}
	}
	return size
}

// crowded reports whether a user has as many aliases as it may have.
func (c *contacts) crowded(user domain.UserID) bool { return len(c.aliases[user]) >= maxAliases }

// remove removes a JID.
func (c *contacts) remove(bare string, user domain.UserID) {
	c.uncounted -= c.byJID[bare].untoldSize(bare)
	delete(c.byJID, bare)
	if bare == string(user) {
		return
	}
	c.uncounted -= c.furtherAliases(user)
	defer func() { c.uncounted += c.furtherAliases(user) }()
	left := slices.DeleteFunc(c.aliases[user], func(alias string) bool { return alias == bare })
	if len(left) == 0 {
		delete(c.aliases, user)
	} else {
		c.aliases[user] = left
	}
}

// shared reports whether the use cases know a JID's user because of another JID, too.
func (c *contacts) shared(bare string, user domain.UserID) bool {
	aliases := c.aliases[user]
	if len(aliases) == 0 {
		return false // as for nearly everybody
	}
	for _, alias := range aliases {
		if alias != bare && c.byJID[alias].told() {
			return true
		}
	}
	namesake := c.byJID[string(user)] // may stand for yet another user
	return bare != string(user) && namesake.user == user && namesake.told()
}
