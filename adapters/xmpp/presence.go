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
	bare := lower(jid)
	if bare == "" || bare == s.bareOwn || p.Affiliation != "" || p.Role != "" { // ourselves, or somebody in a chat room (XEP-0045)
		return nil
	}
	switch p.Type {
	case "", "unavailable", "error":
		s.device(p, bare, resource)
	case "subscribe":
		return s.subscriptionRequest(bare)
	case "unsubscribed":
		if c := s.contacts.byJID[bare]; c.visible {
			s.forget(bare, &c)
			s.keep(bare, c)
		}
	}
	return nil // subscribed, unsubscribe: the roster push that follows counts
}

// device handles what a presence says about a device. It counts if it comes from a contact or from a trusted host. Anybody else's is kept
// until the roster says who is a contact: the first presences can arrive before it.
func (s *session) device(p *xmpp.Presence, bare, resource string) {
	c, known := s.contacts.byJID[bare]
	if !c.visible && !c.online && !s.source.trusted[hostOf(bare)] {
		if !s.hasRoster {
			s.keepEarly(p)
		}
		return
	}
	var status domain.Status
	if p.Type == "" {
		status, _ = domain.XMPPShow.Status(p.Show)
	} else {
		status, _ = domain.XMPPType.Status(p.Type)
	}
	if status == domain.Unavailable {
		if c.visible || c.online { // else the observer was not told of the user
			s.unavailable(bare, c, resource)
		}
		return
	}
	if !known {
		if c, known = s.add(bare); !known {
			return
		}
	}
	s.available(bare, c, resource, status, p.Status)
}

// available reports an available device.
func (s *session) available(bare string, was contact, resource string, status domain.Status, message string) {
	now := was
	i, ok := s.touchDevice(nameDevice(bare, was.user, resource), &now)
	now.online = now.online || ok
	if now != was {
		s.contacts.set(bare, now)
		s.watches.Store(true)
	}
	if !ok {
		return
	}
	if len(message) > domain.MaxMessage {
		message = domain.ClipMessage(message)
	}
	s.observer.Report(domain.Report{User: now.user, Device: s.devices.all[i].name, Status: status, Message: message})
}

// touchDevice finds a contact's device, or adds it, and makes it the newest. It returns false if the name is not valid, or if there is no
// room for the device. As in the use cases, the device that has been quiet for longest makes room for another one.
func (s *session) touchDevice(name deviceName, c *contact) (i uint32, ok bool) {
	i, others := s.devices.take(&c.devices, name)
	if i == 0 {
		if !legalParts("", name.resource) {
			return 0, false
		}
		if !s.observer.TakesDevice(others) {
			if others == 0 || !s.observer.TakesDevice(others-1) {
				return 0, false
			}
			s.endDevice(c.user, s.devices.takeOldest(&c.devices), true)
		}
		i = s.devices.add(name.String())
	}
	s.devices.put(&c.devices, i)
	return i, true
}

// unavailable reports that a device is unavailable, or all devices of a JID if there is no resource.
func (s *session) unavailable(bare string, c contact, resource string) {
	was := c.devices
	if resource != "" {
		if i, _ := s.devices.take(&c.devices, nameDevice(bare, c.user, resource)); i != 0 {
			s.endDevice(c.user, i, true)
		}
	} else {
		shared := s.contacts.shared(bare, c.user)
		s.endDevices(&c, shared)
		if !shared {
			s.observer.Report(domain.Report{User: c.user, Status: domain.Unavailable})
		}
	}
	if c.devices != was {
		s.contacts.set(bare, c)
	}
}

// endDevices removes all devices of a JID. If report is set, it reports each as unavailable.
func (s *session) endDevices(c *contact, report bool) {
	for c.devices != 0 {
		s.endDevice(c.user, s.devices.takeNewest(&c.devices), report)
	}
}

func (s *session) endDevice(user domain.UserID, i uint32, report bool) {
	name := s.devices.all[i].name
	s.devices.release(i)
	if report {
		s.observer.Report(domain.Report{User: user, Device: name, Status: domain.Unavailable})
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
	part := xmpp.Presence{Type: p.Type, Status: strings.Clone(domain.ClipMessage(p.Status))}
	if len(p.From) <= 3*maxPart+2 {
		part.From = strings.Clone(p.From) // else it is no JID
	}
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
		if c, known = s.add(bare); !known {
			return nil
		}
	}
	if err := s.sendPresence(bare, "subscribed"); err != nil || c.asked {
		return err
	}
	s.log.Info("subscription approved, asking for the user's presence in turn", "jid", bare)
	c.asked = true
	s.keep(bare, c)
	return s.sendPresence(bare, "subscribe")
}
