package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

const rosterNamespace = "jabber:iq:roster"

// rosterItem is one contact (RFC 6121, 2.1.2).
type rosterItem struct {
	JID          string `xml:"jid,attr"`
	Subscription string `xml:"subscription,attr"`
	Ask          string `xml:"ask,attr"`
}

// visible reports whether the contact lets us see its presence.
func (i rosterItem) visible() bool { return i.Subscription == "to" || i.Subscription == "both" }

// parseRoster calls visit for each item of a <query xmlns='jabber:iq:roster'/>, in order. It returns an error if query is anything
// else; what came before the fault has been visited then.
func parseRoster(query []byte, visit func(rosterItem)) error {
	decoder := xml.NewDecoder(bytes.NewReader(query))
	root, err := nextStart(decoder)
	if err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	if root.Name.Space != rosterNamespace || root.Name.Local != "query" {
		return fmt.Errorf("roster: <%s xmlns=%q> instead of a query", root.Name.Local, root.Name.Space)
	}
	for {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("roster: %w", err)
		}
		switch token := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if token.Name.Space != rosterNamespace || token.Name.Local != "item" {
				if err := decoder.Skip(); err != nil {
					return fmt.Errorf("roster: %w", err)
				}
				continue
			}
			var item rosterItem
			if err := decoder.DecodeElement(&item, &token); err != nil {
				return fmt.Errorf("roster: %w", err)
			}
			visit(item)
		}
	}
}

func nextStart(decoder *xml.Decoder) (xml.StartElement, error) {
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := token.(xml.StartElement); ok {
			return start, nil
		}
	}
}
