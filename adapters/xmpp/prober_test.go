package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/xmpptest"
)

// quickProbes makes a source ask its contacts all the time.
func quickProbes(source *Source, every time.Duration) *Source {
	source.limits.probe, source.limits.silence = every, 2*time.Second
	return source
}

const eve = "eve@" + xmpptest.Gateway

// subscribed makes a user of a component a contact of the observer who is online.
func subscribed(t *testing.T, server *xmpptest.Server, component *xmpptest.Component) {
	t.Helper()
	observer := server.JID(xmpptest.Observer)
	say := func(from, kind string) {
		component.Send(fmt.Sprintf("<presence from='%s' to='%s'%s/>", from, observer, kind))
	}
	say(eve, " type='subscribe'")
	awaitReceived(t, component, "subscribe")
	say(eve, " type='subscribed'")
	say(eve+"/phone", "")
}

// awaitReceived waits until a component receives a presence of a type.
func awaitReceived(t *testing.T, component *xmpptest.Component, kind string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case stanza, open := <-component.Received:
			if !open {
				t.Fatalf("the connection ended while waiting for %s", kind)
			}
			if stanza.XMLName.Local == "presence" && stanza.Type == kind {
				return
			}
		case <-timeout:
			t.Fatalf("no presence of type %s has arrived", kind)
		}
	}
}

// A contact of a host that does not answer any more is stale after two probes, and then unavailable. While it answers it stays.
func TestSilentContacts(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		gateway := server.Gateway(t)
		source, _ := newLoggedSource(t, server, func(c *Config) {
			c.AllowDomains, c.StaleAfter = []string{xmpptest.Gateway}, 2*time.Second
		})
		w := watch(t, coretest.Start(t), quickProbes(source, time.Second))
		w.wantState(t, domain.SourceSynced)
		subscribed(t, server, gateway)
		w.want(t, eve, "available")
		for range 5 {
			awaitReceived(t, gateway, "probe")
			gateway.Send(fmt.Sprintf("<presence from='%s/phone' to='%s'/>", eve, server.JID(xmpptest.Observer)))
			if got := w.show(eve); got != "available" {
				t.Fatalf("eve answers, and is %q", got)
			}
		}
		w.want(t, eve, "available (stale)")
		w.want(t, eve, "unavailable (stale)")
		for len(gateway.Received) > 0 {
			<-gateway.Received
		}
		awaitReceived(t, gateway, "probe") // it goes on asking
		gateway.Send(fmt.Sprintf("<presence from='%s/phone' to='%s'><show>dnd</show></presence>", eve, server.JID(xmpptest.Observer)))
		w.want(t, eve, "busy")
	})
}

// The users of a component that has died are not shown as online for ever.
func TestDeadComponent(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		gateway := server.Gateway(t)
		source, _ := newLoggedSource(t, server, func(c *Config) {
			c.AllowDomains, c.StaleAfter = []string{xmpptest.Gateway}, time.Second
		})
		w := watch(t, coretest.Start(t), quickProbes(source, time.Second))
		w.wantState(t, domain.SourceSynced)
		subscribed(t, server, gateway)
		w.want(t, eve, "available")
		gateway.Cut()
		eventually(t, func() error {
			if got := w.show(eve); !strings.HasPrefix(got, "unavailable") {
				return fmt.Errorf("eve is %q", got)
			}
			return nil
		})
	})
}

// Who blocks the account is not shown as online any more (XEP-0191), and is seen again when the account is not blocked any more.
func TestBlocked(t *testing.T) {
	for _, seeing := range []xmpptest.Seeing{xmpptest.Group, xmpptest.Subscribed} {
		t.Run(fmt.Sprint(seeing), func(t *testing.T) {
			each(t, xmpptest.Options{Seeing: seeing}, func(t *testing.T, server *xmpptest.Server) {
				observer := server.JID(xmpptest.Observer)
				source := newSource(t, server, func(c *Config) { allowed(c); c.StaleAfter = 2 * time.Second })
				w := watch(t, coretest.Start(t), quickProbes(source, time.Second))
				w.wantState(t, domain.SourceSynced)
				alice := server.Login(t, "alice", "laptop")
				bob := server.Login(t, "bob", "laptop")
				if seeing == xmpptest.Subscribed {
					for _, client := range []*xmpptest.Client{alice, bob} {
						sendPresence(client, observer, "subscribe")
						awaitPresence(t, client, observer, "subscribe")
						sendPresence(client, observer, "subscribed")
					}
				}
				w.want(t, "alice@example.test", "available")
				w.want(t, "bob@example.test", "available")
				block := func(command string) {
					alice.Send(fmt.Sprintf("<iq type='set' id='%s'><%s xmlns='urn:xmpp:blocking'><item jid='%s'/></%s></iq>", command, command, observer, command))
					awaitStanza(t, alice, command, func(s xmpptest.Stanza) bool { return s.ID == command })
				}
				block("block")
				eventually(t, func() error {
					if got := w.show("alice@example.test"); !strings.HasPrefix(got, "unavailable") {
						return fmt.Errorf("alice is %q", got)
					}
					return nil
				})
				alice.Show("dnd", "secret")
				time.Sleep(500 * time.Millisecond)
				if got := w.show("alice@example.test"); !strings.HasPrefix(got, "unavailable") {
					t.Errorf("alice is %q", got)
				}
				block("unblock")
				w.want(t, "alice@example.test", "busy secret")
				alice.Show("away", "back")
				w.want(t, "alice@example.test", "away back")
				w.want(t, "bob@example.test", "available")
			})
		})
	}
}
