package xmpp

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// contact is a user of whom this connection knows something.
type contact struct {
	user    domain.UserID
	visible bool // a contact whose presence we may see
	asked   bool // we have asked to see it
	online  bool // an available presence has arrived
}

// contacts holds them by their bare JID in lower case.
type contacts map[string]contact

// maxEarly is how many presences of strangers are kept until the roster tells who is none.
const maxEarly = 4096

// maxLogged is how many refused subscription requests one connection logs.
const maxLogged = 20

// session is one connection from the login on. All but the channels and the counters belongs to the receiving goroutine.
type session struct {
	*connection
	source   *Source
	observer ports.Observer
	bareOwn  string

	contacts    contacts
	hasRoster   bool
	rosterTimer *time.Timer     // cuts the link if there is no roster in time
	early       []xmpp.Presence // of strangers, while there is no roster
	full        bool            // maxContacts was reached
	refused     int             // subscription requests

	pinged  uint64        // the number of the last ping that was answered
	pong    chan struct{} // one token for each
	settled chan struct{} // closed when both the roster and a pong are here
	arrived atomic.Uint64 // stanzas
	watched atomic.Int64  // users
	log     *slog.Logger
}

func newSession(source *Source, c *connection, observer ports.Observer) *session {
	bare, _ := splitJID(lower(c.own))
	return &session{
		connection: c,
		source:     source,
		observer:   observer,
		bareOwn:    bare,
		contacts:   make(contacts),
		pong:       make(chan struct{}, 1),
		settled:    make(chan struct{}),
		log:        source.log,
	}
}

// add notes a user. It returns false if the JID can be no user's, or there are too many.
func (s *session) add(bare string, c contact) (contact, bool) {
	if !legalParts(bare, "") {
		return contact{}, false
	}
	bare = strings.Clone(bare)
	user, ok := s.source.directory.user(bare)
	if !ok {
		s.log.Debug("not a user", "jid", bare)
		return contact{}, false
	}
	if len(s.contacts) >= maxContacts {
		if !s.full {
			s.full = true
			s.log.Warn("too many users on the XMPP server, ignoring further ones", "limit", maxContacts)
		}
		return contact{}, false
	}
	c.user = user
	s.contacts[bare] = c
	s.watched.Store(int64(len(s.contacts)))
	return c, true
}

// request handles an IQ stanza: answers to our requests, roster pushes, and what others ask of us.
func (s *session) request(iq *xmpp.IQ) error {
	switch iq.Type {
	case "result", "error":
		return s.answer(iq)
	case "set":
		if strings.HasPrefix(string(iq.Query), `<query xmlns="`+rosterNamespace+`"`) {
			return s.rosterPush(iq)
		}
	}
	return s.sendUnsupported(iq.From, iq.ID)
}

// answer handles the answer to one of our requests. It must come from our server, on behalf of our account or of itself: anybody
// can send us something with the same id. An error means that the link is of no use.
func (s *session) answer(iq *xmpp.IQ) error {
	from := lower(iq.From)
	if bare, _ := splitJID(from); from != "" && bare != s.bareOwn && from != s.source.own.host {
		return nil
	}
	if iq.ID == rosterID && !s.hasRoster {
		return s.roster(iq)
	}
	number, isPing := strings.CutPrefix(iq.ID, pingID)
	if n, err := strconv.ParseUint(number, 10, 64); isPing && err == nil && n == s.pinged+1 { // an error is a sign of life, too
		s.pinged = n
		select {
		case s.pong <- struct{}{}:
		default: // an answer to a ping that was not sent yet
		}
		s.settle()
	}
	return nil
}

// settle notes the moment from which on only stragglers are still to come.
func (s *session) settle() {
	if !s.hasRoster || s.pinged == 0 {
		return
	}
	select {
	case <-s.settled:
	default:
		close(s.settled)
	}
}

// roster takes all contacts, then what strangers have sent before they were known as contacts. A server without a roster
// answers with an error of type cancel (RFC 6120, 8.3.2): then only trusted hosts count. Any other fault ends the link, so that
// the next one asks again. Nobody is forgotten unless the whole roster was read.
func (s *session) roster(iq *xmpp.IQ) error {
	if iq.Type == "error" {
		if kind := s.guard.rosterError(); kind != "cancel" {
			return fmt.Errorf("%w: it answers with an error of type %q", errRosterFailed, kind)
		}
		s.log.Debug("the XMPP server has no contacts for us")
	} else if err := parseRoster(iq.Query, s.contact); err != nil {
		return fmt.Errorf("%w: %w", errRosterFailed, err)
	}
	s.rosterTimer.Stop()
	s.hasRoster = true
	s.guard.limit = maxStanza
	for i := range s.early {
		_ = s.presence(&s.early[i]) // reports: only a subscription request sends anything
	}
	s.early = nil
	if iq.Type != "error" {
		for bare, was := range s.source.last {
			if now := s.contacts[bare]; was.visible && !now.visible && !now.online {
				s.observer.Forget(was.user)
			}
		}
		s.source.last = s.contacts
	}
	s.settle()
	return nil
}

// rosterPush takes a change of one contact. Only the own account's server may send it (RFC 6121, 2.1.6).
func (s *session) rosterPush(iq *xmpp.IQ) error {
	if from := lower(iq.From); from != "" && from != s.bareOwn {
		s.log.Debug("ignoring a roster push from somebody else", "from", iq.From)
		return nil
	}
	if err := parseRoster(iq.Query, s.contact); err != nil {
		s.log.Warn("cannot read a change of the XMPP account's contacts", "err", err)
	}
	return s.sendResult(iq.From, iq.ID)
}

// contact takes one item of the roster, in full or as a push.
func (s *session) contact(item rosterItem) {
	bare, _ := splitJID(lower(item.JID))
	if bare == s.bareOwn {
		return
	}
	was, known := s.contacts[bare]
	asked := item.Ask == "subscribe" || item.visible()
	if !known {
		if !item.visible() && !asked {
			return
		}
		if was, known = s.add(bare, contact{}); !known {
			return
		}
	}
	now := contact{user: was.user, visible: item.visible(), asked: asked, online: was.online}
	switch {
	case now.visible && !was.visible:
		s.observer.Known(now.user)
	case was.visible && !now.visible, was.online && item.Subscription == "remove":
		s.forget(&now)
	}
	s.contacts[bare] = now
	if item.Subscription == "remove" {
		delete(s.contacts, bare)
	}
	s.watched.Store(int64(len(s.contacts)))
}

// forget says that we may not see the user any more.
func (s *session) forget(c *contact) {
	c.visible, c.online = false, false
	s.observer.Forget(c.user)
}
