package xmpp

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/setting"
)

// fake is a server that misbehaves as a test says, which no real one can be made to do. It is used for that and for measuring
// alone. It offers direct TLS.
type fake struct {
	address    string
	caFile     string
	tls        *tls.Config
	listener   net.Listener
	connecting sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// newFake starts a fake that hands each connection to serve. It ends with the test.
func newFake(t testing.TB, serve func(f *fake, conn net.Conn)) *fake {
	t.Helper()
	authority := certtest.NewAuthority(t)
	pair, err := tls.X509KeyPair(authority.Issue(t, xmpptest.Domain))
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{caFile: filepath.Join(t.TempDir(), "ca.pem"), tls: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	if err := os.WriteFile(f.caFile, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.listener, f.address = listener, listener.Addr().String()
	f.connecting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			f.connecting.Go(func() {
				defer conn.Close()
				serve(f, conn)
			})
		}
	})
	t.Cleanup(f.end)
	return f
}

func (f *fake) end() {
	_ = f.listener.Close()
	f.mu.Lock()
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.connecting.Wait()
}

// source makes a source for the fake.
func (f *fake) source(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	c := DefaultConfig()
	c.JID, c.Password, c.Host, c.Roots, c.TLS = "observer@example.test", setting.NewSecret("secret of observer"), f.address, roots(t, f.caFile), DirectTLS
	c.SweepAfter = 50 * time.Millisecond
	if change != nil {
		change(&c)
	}
	source, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// stream is a fake's side of a stream.
type stream struct {
	io.Writer
	reader  *bufio.Reader
	decoder *xml.Decoder
}

// element is what a stream receives.
type element struct {
	XMLName xml.Name
	ID      string `xml:"id,attr"`
	To      string `xml:"to,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
	Inner   string `xml:",innerxml"`
}

// encrypt does the TLS handshake.
func (f *fake) encrypt(conn net.Conn) *stream {
	encrypted := tls.Server(conn, f.tls)
	return &stream{Writer: encrypted, reader: bufio.NewReader(encrypted)}
}

// open waits for the client to open a stream and answers with features.
func (s *stream) open(features string) error {
	s.decoder = xml.NewDecoder(s.reader)
	for {
		token, err := s.decoder.Token()
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "stream" {
			_, err := fmt.Fprintf(s, "<?xml version='1.0'?><stream:stream from='example.test' id='1' version='1.0' xmlns='jabber:client'"+
				" xmlns:stream='http://etherx.jabber.org/streams'><stream:features>%s</stream:features>", features)
			return err
		}
	}
}

// next returns the next element.
func (s *stream) next() (element, error) {
	var e element
	err := s.decoder.Decode(&e)
	return e, err
}

// mechanisms is the feature that offers one way to log in.
func mechanisms(name string) string {
	return "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>" + name + "</mechanism></mechanisms>"
}

// login lets the client in, whatever its password.
func (f *fake) login(conn net.Conn) (*stream, error) {
	s := f.encrypt(conn)
	if err := s.open(mechanisms("PLAIN")); err != nil {
		return nil, err
	}
	if _, err := s.next(); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(s, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"); err != nil {
		return nil, err
	}
	if err := s.open("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"); err != nil {
		return nil, err
	}
	bind, err := s.next()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(s, "<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>observer@example.test/here</jid></bind></iq>", bind.ID)
	return s, err
}

// answer answers one request of a client as a harmless server with the given roster items would.
func (s *stream) answer(e element, items string) {
	switch {
	case e.XMLName.Local != "iq" || e.Type != "get":
	case strings.Contains(e.Inner, "jabber:iq:roster"):
		fmt.Fprintf(s, "<iq type='result' id='%s'><query xmlns='jabber:iq:roster'>%s</query></iq>", e.ID, items)
	case strings.Contains(e.Inner, "urn:xmpp:ping"):
		fmt.Fprintf(s, "<iq type='result' id='%s' from='example.test'/>", e.ID)
	}
}

// serve answers requests until the connection ends.
func (s *stream) serve(items string) {
	for {
		e, err := s.next()
		if err != nil {
			return
		}
		s.answer(e, items)
	}
}

// afterLogin makes a fake of what happens once the client is logged in.
func afterLogin(then func(s *stream)) func(f *fake, conn net.Conn) {
	return func(f *fake, conn net.Conn) {
		if s, err := f.login(conn); err == nil {
			then(s)
		}
	}
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func decode(text string) string {
	decoded, _ := base64.StdEncoding.DecodeString(text)
	return string(decoded)
}

// listenUnused returns an address to which nobody may connect.
func listenUnused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		if conn, err := listener.Accept(); err == nil {
			t.Error("somebody has connected")
			_ = conn.Close()
		}
		_ = listener.Close()
	})
	return listener.Addr().String()
}
