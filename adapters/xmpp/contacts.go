package xmpp

import (
	"slices"

	"github.com/zarafa/presence/domain"
)

// contact is a JID of which the source knows something, and the user it stands for.
type contact struct {
	user    domain.UserID
	devices uint32 // those that are available, in session.devices
	visible bool   // a contact whose presence we may see
	asked   bool   // we have asked to see it
	online  bool   // an available presence has been reported on this connection
	past    past
}

// past says what an earlier connection has told of a contact. It is less than a connection tells: the use cases know the user, but
// nothing is known of its devices.
type past uint8

const (
	untold     past = iota // nothing
	wasOnline              // that the user was online
	wasVisible             // that it was a contact whose presence we might see: until there is a roster, it may still be one
)

// told reports whether the use cases know the user because of this JID.
func (c contact) told() bool { return c.visible || c.online || c.past != untold }

// maxAliases is how many JIDs of one user count that are not the user's id.
const maxAliases = 32

// contacts are all that is known of, on this connection or earlier ones: whoever was told to the use cases stays here until they
// are told to forget the user. So what they keep is bounded by what is kept here, see budget.
type contacts struct {
	byJID   map[string]contact         // by the bare JID in lower case
	aliases map[domain.UserID][]string // those that are not their user's id; domain_map and strip_domain can give a user many
}

func newContacts() contacts {
	return contacts{byJID: make(map[string]contact), aliases: make(map[domain.UserID][]string)}
}

// renew forgets what was true of the last connection only, and returns the cost of what is left.
func (c *contacts) renew() (cost int) {
	clear(c.aliases)
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
		c.add(bare, now)
		cost += contactSize(bare, now.user)
	}
	return cost
}

// add adds a JID that is not there, or is there without being among the aliases.
func (c *contacts) add(bare string, contact contact) {
	c.byJID[bare] = contact
	if bare != string(contact.user) {
		c.aliases[contact.user] = append(c.aliases[contact.user], bare)
	}
}

// crowded reports whether a user has as many JIDs as it may have.
func (c *contacts) crowded(user domain.UserID) bool { return len(c.aliases[user]) >= maxAliases }

// remove removes a JID.
func (c *contacts) remove(bare string, user domain.UserID) {
	delete(c.byJID, bare)
	if bare == string(user) {
		return
	}
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
