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
		s.show(p, bare, resource)
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

// show reports what a presence says about a device. It counts if it is from a contact or a user of a trusted host; that anybody
// else is a contact may become known with the roster, which can be after the first presences.
func (s *session) show(p *xmpp.Presence, bare, resource string) {
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
		if c.visible || c.online { // else it is nobody we have told of
			s.leaves(bare, c, resource)
		}
		return
	}
	if !known {
		if c, known = s.add(bare); !known {
			return
		}
	}
	s.shows(bare, c, resource, status, p.Status)
}

// shows reports an available device.
func (s *session) shows(bare string, was contact, resource string, status domain.Status, message string) {
	now := was
	i, ok := s.device(nameDevice(bare, was.user, resource), &now)
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

// device finds a contact's device, or adds it, and makes it the newest. It returns false if the name is none, or there is no room for it.
// As for the use cases, the device that has been quiet for longest makes room for another one.
func (s *session) device(name deviceName, c *contact) (i uint32, ok bool) {
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

// leaves reports that a device is not available any more, or all devices of a JID if there is no resource.
func (s *session) leaves(bare string, c contact, resource string) {
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

// endDevices ends all devices of a JID, and reports each if told to.
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

// keepEarly keeps a presence until there is a roster, as long as there is room.
func (s *session) keepEarly(p *xmpp.Presence) {
	part := kept(p)
	size := int(unsafe.Sizeof(part)) + len(part.From) + len(part.Show) + len(part.Status)
	if s.earlySize+size <= maxEarly {
		s.earlySize += size
		s.early = append(s.early, part)
	}
}

// kept returns the parts of a presence that count, without holding on to the rest of it: there can be
// thousands, each of a stanza that is as large as the guard lets through.
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
