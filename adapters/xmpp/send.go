package xmpp

import (
	"encoding/xml"
	"strings"

	xmpp "github.com/mattn/go-xmpp"
)

const (
	rosterID = "roster"
	pingID   = "ping"

	rosterRequest = `<iq type="get" id="` + rosterID + `"><query xmlns="` + rosterNamespace + `"/></iq>`
	pingRequest   = `<iq type="get" id="` + pingID + `"><ping xmlns="urn:xmpp:ping"/></iq>`

	// lowPriority says that chat messages are not for us, so that the server keeps them for another client of the account (RFC 6121, 4.7.2.3).
	lowPriority = `<presence><priority>-1</priority></presence>`

	// unsupported is the content of an answer to a request that nothing here serves (RFC 6120, 8.2.3).
	unsupported = `<error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`

	goodbye = `<presence type="unavailable"/></stream:stream>`
)

// escape is for everything that others have chosen: the library escapes nothing of what it is given to send.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

func (c *connection) send(stanza string) error {
	_, err := c.client.SendOrg(stanza)
	return err
}

func (c *connection) sendPresence(to, kind string) error {
	return c.send(`<presence to="` + escape(to) + `" type="` + kind + `"/>`)
}

// reply answers a request with a result or an error.
func (c *connection) reply(to *xmpp.IQ, kind, content string) error {
	addressee := ""
	if to.From != "" {
		addressee = ` to="` + escape(to.From) + `"`
	}
	return c.send(`<iq type="` + kind + `" id="` + escape(to.ID) + `"` + addressee + `>` + content + `</iq>`)
}
