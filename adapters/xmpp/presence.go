package xmpp

import (
	"strings"
	"unsafe"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
)

// presence handles a presence stanza (RFC 6121, 3 and 4). An error means that the link is lost.
func (s *session) presence(p *xmpp.Presence) error {
	jid, resource := splitJID(p.From)
	bare := strings.ToLower(jid)
	if bare == "" || bare == s.bareOwn || p.Affiliation != "" || p.Role != "" { // ourselves, or somebody in a chat room (XEP-0045)
		return nil
	}
	if !legalParts(bare, resource) {
		return nil
	}
	switch p.Type {
	case "", "unavailable", "error":
		s.device(p, bare, resource)
	case "subscribe":
		return s.subscriptionRequest(bare)
	case "unsubscribed":
		if c := s.contacts.byJID[bare]; c.visible {
			s.forget(bare, c)
		}
	}
	return nil // subscribed, unsubscribe: the roster push that follows counts
}

// device handles what a presence says about a device. It counts if it comes from a contact or from a trusted host. Anybody else's is kept
// until the roster says who is a contact: the first presences can arrive before it.
func (s *session) device(p *xmpp.Presence, bare, resource string) {
	c, known := s.contacts.byJID[bare]
	if !c.visible && !s.source.trusted[hostOf(bare)] {
		if !s.hasRoster {
			s.keepEarly(p)
		}
		return
	}
	report := domain.Report{Device: bare + "/" + resource, Message: p.Status}
	if p.Type == "" {
		report.Status, _ = domain.XMPPShow.Status(p.Show)
	} else {
		report.Status, _ = domain.XMPPType.Status(p.Type)
	}
	if report.Status == domain.Unavailable {
		if c.visible || c.online { // else the observer was not told of the user
			report.User, report.Prefix = c.user, resource == ""
			s.observer.Report(report)
		}
		return
	}
	if !known {
		if c, known = s.newContact(bare); !known {
			return
		}
	}
	report.User = c.user
	if s.observer.Report(report) && !c.online {
		c.online = true
		s.keep(bare, c)
	}
}

// keepEarly keeps a presence until the roster arrives, if there is room.
func (s *session) keepEarly(p *xmpp.Presence) {
	part := kept(p)
	size := int(unsafe.Sizeof(part)) + len(part.From) + len(part.Show) + len(part.Status)
	if s.earlySize+size <= maxEarly {
		s.earlySize += size
		s.early = append(s.early, part)
	}
}

// kept copies the parts of a presence that count. There can be thousands, and each would hold on to a stanza as large as the guard allows.
func kept(p *xmpp.Presence) xmpp.Presence {
	part := xmpp.Presence{From: strings.Clone(p.From), Type: p.Type, Status: strings.Clone(domain.ClipMessage(p.Status))}
	if len(p.Show) <= maxShow {
		part.Show = strings.Clone(p.Show) // else it means nothing
	}
	return part
}

// maxShow is the longest show that is kept, in bytes: all that mean something are shorter.
const maxShow = 16

// subscriptionRequest approves a request of an allowed host's user, and asks to see that user's presence in turn, once. Others
// get no answer.
func (s *session) subscriptionRequest(bare string) error {
	if !s.source.allowed[hostOf(bare)] {
		if s.refused++; s.refused <= maxLogged {
			s.log.Info("ignoring a subscription request: its host is not in xmpp.allow_domains", "jid", clip(bare))
		}
		return nil
	}
	c, known := s.contacts.byJID[bare]
	if !known {
		_, known = s.newContact(bare)
	}
	asked := c.visible || s.asked[bare]
	if !known || !asked && !s.ask(bare) {
		return nil
	}
	if err := s.sendPresence(bare, "subscribed"); err != nil || asked {
		return err
	}
	s.log.Info("subscription approved, asking for the user's presence in turn", "jid", bare)
	return s.sendPresence(bare, "subscribe")
}
