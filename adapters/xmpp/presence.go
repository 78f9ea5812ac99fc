package xmpp

import (
	"strings"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
)

// presence handles a presence stanza (RFC 6121, 3 and 4). An error means that the link is lost.
func (s *session) presence(p *xmpp.Presence) error {
	jid, resource := splitJID(p.From)
	bare := lower(jid)
	if bare == "" || bare == s.bareOwn || p.Affiliation != "" || p.Role != "" { // ourselves, or somebody in a chat room (XEP-0045)
		return nil
	}
	switch p.Type {
	case "", "unavailable", "error":
		s.show(p, bare, resource)
	case "subscribe":
		return s.subscriptionRequest(bare)
	case "unsubscribed":
		if c, known := s.contacts[bare]; known && c.visible {
			s.forget(&c)
			s.contacts[bare] = c
		}
	}
	return nil // subscribed, unsubscribe: the roster push that follows counts
}

// show reports what a presence says about a device.
func (s *session) show(p *xmpp.Presence, bare, resource string) {
	status := domain.XMPPType.Status(p.Type)
	if p.Type == "" {
		status = domain.XMPPShow.Status(p.Show)
	}
	c, known := s.contacts[bare]
	if !known {
		if c, known = s.stranger(p, bare, status); !known {
			return
		}
	}
	online := status != domain.Unavailable
	switch {
	case !c.visible && !s.source.trusted[hostOf(bare)]:
		return // asked, but not allowed yet
	case !c.visible && !c.online && !online:
		return // nobody we have told of
	case !legalParts("", resource):
		return
	}
	if online && !c.online {
		c.online = true
		s.contacts[bare] = c
	}
	message := p.Status
	if !online {
		message = ""
	}
	s.observer.Report(domain.Report{User: c.user, Device: resource, Status: status, Message: domain.ClipMessage(message)})
}

// stranger decides about a presence of somebody who is no contact: on a trusted host that is a user; else it may become a
// contact when the roster arrives, which can be after the first presences.
func (s *session) stranger(p *xmpp.Presence, bare string, status domain.Status) (contact, bool) {
	switch {
	case s.source.trusted[hostOf(bare)]:
		if status == domain.Unavailable {
			return contact{}, false
		}
		return s.add(bare, contact{})
	case !s.hasRoster && len(s.early) < maxEarly:
		s.early = append(s.early, kept(p))
	}
	return contact{}, false
}

// kept returns the parts of a presence that count, without holding on to the rest of it: there can be thousands, each of a stanza
// that is as large as the guard lets through.
func kept(p *xmpp.Presence) xmpp.Presence {
	part := xmpp.Presence{Type: p.Type, Status: strings.Clone(domain.ClipMessage(p.Status))}
	if len(p.From) <= 3*maxPart+2 {
		part.From = strings.Clone(p.From) // else it is nobody's
	}
	if len(p.Show) <= maxShow {
		part.Show = strings.Clone(p.Show) // else it is as good as none
	}
	return part
}

// maxShow is longer than any show that means something, in bytes.
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
	c, known := s.contacts[bare]
	if !known {
		if c, known = s.add(bare, contact{}); !known {
			return nil
		}
	}
	if err := s.sendPresence(bare, "subscribed"); err != nil || c.asked {
		return err
	}
	s.log.Info("subscription approved, asking for the user's presence in turn", "jid", bare)
	c.asked = true
	s.contacts[bare] = c
	return s.sendPresence(bare, "subscribe")
}
