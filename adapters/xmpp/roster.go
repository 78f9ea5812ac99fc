package xmpp

import "encoding/xml"

const rosterNamespace = "jabber:iq:roster"

// rosterItem is one contact (RFC 6121, 2.1.2).
type rosterItem struct {
	JID          string `xml:"jid,attr"`
	Subscription string `xml:"subscription,attr"`
	Ask          string `xml:"ask,attr"`
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
