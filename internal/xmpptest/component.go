package xmpptest

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Gateway is the domain of the component that every server accepts (XEP-0114).
const Gateway = "gateway.example.test"

const componentSecret = "secret of the gateway"

// Component is a program that speaks for all users of Gateway, as a gateway to another network does.
type Component struct {
	Received chan Stanza // is closed when the connection ends; drops stanzas when it holds 1024

	conn    net.Conn
	reading sync.WaitGroup
}

// Gateway connects the component. It is cut when the test ends.
func (s *Server) Gateway(t TB) *Component {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Component, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c := &Component{Received: make(chan Stanza, 1024), conn: conn}
	t.Cleanup(c.Cut)
	decoder := xml.NewDecoder(conn)
	if err := c.login(decoder); err != nil {
		t.Fatalf("connecting the gateway: %v\n%s", err, s.Log())
	}
	c.reading.Go(func() {
		defer close(c.Received)
		receive(decoder, c.Received)
	})
	return c
}

func (c *Component) login(decoder *xml.Decoder) error {
	_ = c.conn.SetDeadline(time.Now().Add(20 * time.Second))
	c.Send(fmt.Sprintf("<stream:stream to='%s' xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>", Gateway))
	for {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "handshake":
			_ = c.conn.SetDeadline(time.Time{})
			return decoder.Skip()
		case start.Name.Local != "stream":
			return fmt.Errorf("<%s/> instead of a handshake", start.Name.Local)
		default:
			for _, attr := range start.Attr {
				if attr.Name.Local == "id" {
					sum := sha1.Sum([]byte(attr.Value + componentSecret))
					c.Send("<handshake>" + hex.EncodeToString(sum[:]) + "</handshake>")
				}
			}
		}
	}
}

// Send sends XML as it is. It ignores errors: the server may be gone.
func (c *Component) Send(text string) { _, _ = io.WriteString(c.conn, text) }

// Cut closes the connection. It may be called more than once.
func (c *Component) Cut() {
	_ = c.conn.Close()
	c.reading.Wait()
}
