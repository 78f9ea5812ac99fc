package xmpptest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Client is one device of a user. It speaks just enough XMPP to show presence, and shares no code with the product.
type Client struct {
	JID      string      // the full JID, with the resource
	Received chan Stanza // is closed when the connection ends; drops stanzas when it holds 1024

	conn    *tls.Conn
	reading sync.WaitGroup
}

// Stanza is a received stanza.
type Stanza struct {
	XMLName xml.Name
	From    string `xml:"from,attr"`
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	Inner   string `xml:",innerxml"`
}

// Login connects a device of a user and makes it available. It is cut when the test ends.
func (s *Server) Login(t TB, user, resource string) *Client {
	t.Helper()
	c, err := s.Connect(user, resource)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	t.Cleanup(c.Cut)
	return c
}

// Connect is Login for a caller that cuts the connection itself.
func (s *Server) Connect(user, resource string) (*Client, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.Authority.PEM)
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", s.DirectTLS, &tls.Config{ServerName: Domain, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &Client{JID: s.JID(user) + "/" + resource, Received: make(chan Stanza, 1024), conn: conn}
	if err := c.login(s, user, resource); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("logging in as %s: %w", s.JID(user), err)
	}
	_ = conn.SetDeadline(time.Time{})
	c.Send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>") // without it the server reports no subscriptions
	c.Show("", "")
	return c, nil
}

func (c *Client) login(s *Server, user, resource string) error {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + s.Password(user)))
	var decoder *xml.Decoder
	for _, step := range []struct{ request, answer string }{
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "success"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + escape(resource) + "</resource></bind></iq>", "iq"},
	} {
		var err error
		if decoder, err = openStream(c.conn, Domain); err != nil {
			return err
		}
		c.Send(step.request)
		var got Stanza
		if err := decoder.Decode(&got); err != nil {
			return err
		}
		if got.XMLName.Local != step.answer || got.Type == "error" {
			return fmt.Errorf("<%s type=%q>%s</> instead of <%s/>", got.XMLName.Local, got.Type, got.Inner, step.answer)
		}
	}
	c.reading.Go(func() { c.read(decoder) })
	return nil
}

// openStream opens a stream and reads the server's features.
func openStream(conn io.ReadWriter, domain string) (*xml.Decoder, error) {
	_, err := fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", domain)
	if err != nil {
		return nil, err
	}
	decoder := xml.NewDecoder(conn)
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "features" {
			return decoder, decoder.Skip()
		}
	}
}

// read receives stanzas until the connection ends.
func (c *Client) read(decoder *xml.Decoder) {
	defer close(c.Received)
	receive(decoder, c.Received)
}

// receive puts stanzas into a channel, and drops them when it is full, until the connection ends.
func receive(decoder *xml.Decoder, into chan<- Stanza) {
	for {
		var stanza Stanza
		if decoder.Decode(&stanza) != nil {
			return
		}
		select {
		case into <- stanza:
		default:
		}
	}
}

// Send sends XML as it is. It ignores errors: the server may be gone.
func (c *Client) Send(text string) { _, _ = io.WriteString(c.conn, text) }

// Show sends a presence with a show (chat, away, xa, dnd, or empty for available) and a status text.
func (c *Client) Show(show, status string) {
	if show != "" {
		show = "<show>" + escape(show) + "</show>"
	}
	if status != "" {
		status = "<status>" + escape(status) + "</status>"
	}
	c.Send("<presence>" + show + status + "</presence>")
}

// Leave makes the device unavailable with a last status text, and closes the stream.
func (c *Client) Leave(status string) {
	c.Send("<presence type='unavailable'><status>" + escape(status) + "</status></presence></stream:stream>")
	c.Cut()
}

// Cut closes the connection without ending the stream, as a broken network does. It may be called more than once.
func (c *Client) Cut() {
	_ = c.conn.NetConn().Close()
	c.reading.Wait()
}

// escape escapes text for XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
