package xmpp

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/zarafa/presence/domain"
)

// contact is a JID by which the use cases know a user.
type contact struct {
	user       domain.UserID
	unanswered uint8 // how many probes were since the last presence, at most maxUnanswered and one more
	visible    bool  // we may see its presence, says the roster
	wasVisible bool  // so said the roster of an earlier connection: until this one's arrives, it may still be so
	online     bool  // an available presence has been reported on this connection
}

// contacts are the JIDs of all users that the use cases know, from this connection or an earlier one. A JID stays here until they are told to
// forget it.
type contacts struct {
	byJID   map[string]contact    // by the bare JID in lower case
	aliases map[domain.UserID]int // how many JIDs are not their user's id; domain_map and strip_domain can give a user many
	further int                   // how many aliases there are besides the first of each user: the use cases do not count these
}

// set notes what has become of a JID.
func (c *contacts) set(bare string, now contact) {
	if bare == string(now.user) {
		bare = string(now.user) // so that it is in memory once
	} else if _, there := c.byJID[bare]; !there {
		bare = strings.Clone(bare)
		if c.aliases[now.user]++; c.aliases[now.user] > 1 {
			c.further++
		}
	}
	c.byJID[bare] = now
}

// remove removes a JID. It reports whether there is another one of the user.
func (c *contacts) remove(bare string, user domain.UserID) (others bool) {
	delete(c.byJID, bare)
	if bare != string(user) {
		if c.aliases[user]--; c.aliases[user] > 0 {
			c.further--
		} else {
			delete(c.aliases, user)
		}
	}
	return c.aliases[user] > 0 || c.byJID[string(user)].user == user
}

const rosterNamespace = "jabber:iq:roster"

// rosterItem is one contact (RFC 6121, 2.1.2).
type rosterItem struct{ JID, Subscription, Ask string }

// UnmarshalXML implements xml.Unmarshaler. It refuses an attribute that is there twice, which is not well-formed; the decoder takes the last.
func (i *rosterItem) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	for n, attr := range start.Attr {
		if slices.ContainsFunc(start.Attr[:n], func(other xml.Attr) bool { return other.Name == attr.Name }) {
			return fmt.Errorf("a contact has the attribute %.20q twice", attr.Name.Local)
		}
		switch attr.Name {
		case xml.Name{Local: "jid"}:
			i.JID = attr.Value
		case xml.Name{Local: "subscription"}:
			i.Subscription = attr.Value
		case xml.Name{Local: "ask"}:
			i.Ask = attr.Value
		}
	}
	return d.Skip()
}

// visible reports whether the contact lets us see its presence.
func (i rosterItem) visible() bool { return i.Subscription == "to" || i.Subscription == "both" }

// parseRoster returns the items of a <query xmlns='jabber:iq:roster'/>, in order.
func parseRoster(text []byte) ([]rosterItem, error) {
	var query struct {
		XMLName xml.Name     `xml:"jabber:iq:roster query"`
		Items   []rosterItem `xml:"jabber:iq:roster item"`
	}
	if err := xml.Unmarshal(text, &query); err != nil {
		return nil, err
	}
	return query.Items, nil
}
