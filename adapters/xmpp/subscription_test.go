package xmpp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/xmpptest"
)

func allowed(c *Config) { c.AllowDomains = []string{"Example.test"} }

func TestSubscription(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		observer := server.JID(xmpptest.Observer)
		source := newSource(t, server, allowed)
		r := begin(t, source)
		r.wantSynced(t)
		alice := server.Login(t, "alice", "laptop")
		alice.Show("dnd", "working")
		sendPresence(alice, observer, "subscribe")
		awaitPresence(t, alice, observer, "subscribed")
		awaitPresence(t, alice, observer, "subscribe")
		sendPresence(alice, observer, "subscribed")
		r.want(t, "alice@example.test", "busy working")
		alice.Show("away", "")
		r.want(t, "alice@example.test", "away")
		r.stop(t)

		// The subscription outlives the connection.
		second := begin(t, source)
		second.wantSynced(t)
		second.want(t, "alice@example.test", "away")

		// She takes it back.
		sendPresence(alice, observer, "unsubscribed")
		second.want(t, "alice@example.test", "unknown")
		alice.Show("", "unseen")
		bob := server.Login(t, "bob", "laptop")
		sendPresence(bob, observer, "subscribe")
		awaitPresence(t, bob, observer, "subscribe")
		sendPresence(bob, observer, "subscribed")
		second.want(t, "bob@example.test", "available")
		second.want(t, "alice@example.test", "unknown")
	})
}

// Who takes the subscription back while the observer is away is forgotten as well.
func TestUnsubscribedDuringOutage(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		observer := server.JID(xmpptest.Observer)
		source := newSource(t, server, allowed)
		r := begin(t, source)
		alice := server.Login(t, "alice", "laptop")
		sendPresence(alice, observer, "subscribe")
		awaitPresence(t, alice, observer, "subscribe")
		sendPresence(alice, observer, "subscribed")
		r.want(t, "alice@example.test", "available")
		r.stop(t)
		sendPresence(alice, observer, "unsubscribed")
		// The server has carried it out when it has answered what was sent after it.
		alice.Send("<iq type='get' id='after'><query xmlns='jabber:iq:roster'/></iq>")
		awaitStanza(t, alice, "roster", func(s xmpptest.Stanza) bool { return s.ID == "after" })
		second := begin(t, source)
		second.wantSynced(t)
		eventually(t, func() error {
			second.mu.Lock()
			defer second.mu.Unlock()
			if !slices.Contains(second.forgotten, domain.UserID("alice@example.test")) {
				return fmt.Errorf("alice is not forgotten")
			}
			return nil
		})
	})
}

func TestSubscriptionRefused(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		observer := server.JID(xmpptest.Observer)
		source, log := newLoggedSource(t, server, func(c *Config) { c.AllowDomains = []string{"other.test"} })
		r := begin(t, source)
		r.wantSynced(t)
		alice := server.Login(t, "alice", "laptop")
		sendPresence(alice, observer, "subscribe")
		eventually(t, func() error {
			if !strings.Contains(log.String(), "ignoring a subscription request") || !strings.Contains(log.String(), "jid=alice@example.test") {
				return fmt.Errorf("not logged:\n%s", log)
			}
			return nil
		})
		// Had the observer answered, that would arrive before this.
		bob := server.Login(t, "bob", "laptop")
		sendPresence(bob, server.JID("alice"), "subscribe")
		awaitStanza(t, alice, "request of bob", func(s xmpptest.Stanza) bool {
			if s.XMLName.Local == "presence" && strings.HasPrefix(s.From, observer) && strings.Contains(s.Type, "subscribe") {
				t.Errorf("the observer answered with %q", s.Type)
			}
			return s.Type == "subscribe" && strings.HasPrefix(s.From, "bob@")
		})
		r.want(t, "alice@example.test", "unknown")
	})
}

// sendPresence sends a presence stanza of a type, such as subscribe, to a JID.
func sendPresence(from *xmpptest.Client, to, kind string) {
	from.Send(fmt.Sprintf("<presence to='%s' type='%s'/>", to, kind))
}

// awaitStanza waits for a stanza that match accepts, and drops those before it. It fails the test after 20 seconds.
func awaitStanza(t *testing.T, client *xmpptest.Client, what string, match func(xmpptest.Stanza) bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case stanza, open := <-client.Received:
			if !open {
				t.Fatalf("%s: the connection ended while waiting for %s", client.JID, what)
			}
			if match(stanza) {
				return
			}
		case <-timeout:
			t.Fatalf("%s: %s has not arrived", client.JID, what)
		}
	}
}

// awaitPresence waits for a presence stanza of a type from a bare JID.
func awaitPresence(t *testing.T, client *xmpptest.Client, from, kind string) {
	t.Helper()
	awaitStanza(t, client, kind+" from "+from, func(s xmpptest.Stanza) bool {
		bare, _, _ := strings.Cut(s.From, "/")
		return s.XMLName.Local == "presence" && s.Type == kind && bare == from
	})
}
