package xmpp

import (
	"bytes"
	"encoding/xml"
)

// The library escapes nothing of what it is given to send, so everything is escaped here.

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}

func (c *connection) send(stanza string) error {
	_, err := c.client.SendOrg(stanza)
	return err
}

func (c *connection) sendPing(id string) error {
	return c.send(`<iq type="get" id="` + id + `"><ping xmlns="urn:xmpp:ping"/></iq>`)
}

func (c *connection) requestRoster() error {
	return c.send(`<iq type="get" id="` + rosterID + `"><query xmlns="` + rosterNamespace + `"/></iq>`)
}

func (c *connection) sendPresence(to, kind string) error {
	return c.send(`<presence to="` + escape(to) + `" type="` + kind + `"/>`)
}

// sendPriority says that chat messages are not for us, so that the server keeps them for another client of the account (RFC 6121,
// 4.7.2.3).
func (c *connection) sendPriority() error {
	return c.send(`<presence><priority>-1</priority></presence>`)
}

// sendResult answers a request with success.
func (c *connection) sendResult(to, id string) error {
	return c.send(`<iq type="result" id="` + escape(id) + `"` + addressee(to) + `/>`)
}

// sendUnsupported answers a request that nothing here serves (RFC 6120, 8.2.3).
func (c *connection) sendUnsupported(to, id string) error {
	return c.send(`<iq type="error" id="` + escape(id) + `"` + addressee(to) +
		`><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}

func (c *connection) sendEnd() error {
	return c.send(`<presence type="unavailable"/></stream:stream>`)
}

func addressee(jid string) string {
	if jid == "" {
		return ""
	}
	return ` to="` + escape(jid) + `"`
}
