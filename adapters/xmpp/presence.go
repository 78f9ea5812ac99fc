package xmpp

import (
	"strings"
	"unsafe"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
)

// presence handles a presence stanza (RFC 6121, 3 and 4). An error means that the link is lost.
func (s *session) presence(p *xmpp.Presence) error {
	jid, resource, found := strings.Cut(p.From, "/")
	bare := strings.ToLower(jid)
	if bare == s.bareOwn {
		s.ownPresence(p)
		return nil
	}
	if bare == "" || !legalParts(bare, resource) || p.Affiliation != "" || p.Role != "" {
		return nil // nobody, or somebody in a chat room (XEP-0045)
	}
	p.Show = strings.TrimSpace(p.Show)
	switch p.Type {
	case "", "unavailable", "error":
		device := p.From // needs no memory of its own
		if bare != jid || !found {
			device = bare + "/" + resource
		}
		s.device(p, bare, device)
	case "subscribe":
		return s.subscriptionRequest(bare)
	case "unsubscribed":
		if c := s.source.contacts.byJID[bare]; c.visible {
			s.forget(bare, c)
		}
	}
	return nil // subscribed, unsubscribe: the roster push that follows counts
}

// device handles what a presence says about a device. It counts if it comes from a contact or from a trusted host. Anybody else's is kept
// until the roster says who is a contact: the first presences can arrive before it.
func (s *session) device(p *xmpp.Presence, bare, device string) {
	c, known := s.source.contacts.byJID[bare]
	if c.unanswered > 0 {
		c.unanswered = 0
		s.keep(bare, c)
	}
	if !c.visible && !s.source.trusts(hostOf(bare)) {
		if !s.hasRoster {
			s.keepEarly(p)
		}
		return
	}
	report := domain.Report{User: c.user, Device: device, Message: p.Status}
	if p.Type != "" {
		report.Status, _ = domain.XMPPType.Status(p.Type)
		report.Prefix = len(device) == len(bare)+1 // without a resource it goes for all of them
		if c.visible || c.online {                 // else the observer was not told of the user
			s.observer.Report(report)
		}
		return
	}
	if !known {
		if c, known = s.find(bare); !known {
			return
		}
		report.User = c.user
	}
	report.Status, _ = domain.XMPPShow.Status(p.Show)
	if s.observer.Report(report) && !c.online {
		c.online = true
		s.keep(bare, c)
	}
}

// privilegeNamespace begins the namespaces of all versions of XEP-0356.
const privilegeNamespace = "urn:xmpp:privilege:"

// message notes a message of our server that says that the account may see all of its users (XEP-0356, 4.2). All others are ignored.
func (s *session) message(m *xmpp.Chat) {
	if strings.ToLower(m.Remote) != s.source.own.host {
		return
	}
	for _, element := range m.OtherElem {
		if element.XMLName.Local == "privilege" && strings.HasPrefix(element.XMLName.Space, privilegeNamespace) && strings.Contains(element.InnerXML, "presence") && !s.isPrivileged {
			s.isPrivileged = true
			s.watches.Store(true)
			close(s.privileged)
		}
	}
}

// keepEarly keeps what counts of a presence until the roster arrives, if there is room.
func (s *session) keepEarly(p *xmpp.Presence) {
	part := xmpp.Presence{From: p.From, Type: p.Type, Status: strings.Clone(domain.ClipMessage(p.Status))}
	if _, known := domain.XMPPShow.Status(p.Show); known {
		part.Show = p.Show // else it means nothing
	}
	if size := int(unsafe.Sizeof(part)) + len(part.From) + len(part.Status); s.earlyBytes+size <= maxEarly {
		s.earlyBytes += size
		s.early = append(s.early, part)
	}
}

// subscriptionRequest approves a request of an allowed host's user, and asks to see that user's presence in turn, once. Others
// get no answer.
func (s *session) subscriptionRequest(bare string) error {
	if !s.source.allows(hostOf(bare)) {
		if s.refused++; s.refused <= maxLogged {
			s.source.log.Info("ignoring a subscription request: its host is not in xmpp.allow_domains", "jid", clip(bare))
		}
		return nil
	}
	c, ok := s.find(bare)
	asked := c.visible || s.asked[bare]
	if !ok || !asked && !s.ask(bare) {
		return nil
	}
	if err := s.sendPresence(bare, "subscribed"); err != nil || asked {
		return err
	}
	if s.approved++; s.approved <= maxLogged {
		s.source.log.Info("subscription approved, asking for the user's presence in turn", "jid", clip(bare))
	}
	return s.sendPresence(bare, "subscribe")
}
