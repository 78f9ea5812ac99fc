package xmpp

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	maxAliases = 32      // JIDs besides the one that is the user's id that may stand for one user
	maxEarly   = 4 << 20 // bytes of the presences of strangers that are kept until the roster says who is a contact
	maxLogged  = 20      // subscription requests that one connection logs: so many refused and so many approved
)

// session is one connection from the login on. Only the goroutine that handles stanzas uses it, but for the channels and watches.
type session struct {
	*connection
	source   *Source
	observer ports.Observer
	bareOwn  string

	asked       map[string]bool // the JIDs that we have asked to see their presence, and may not see
	rosterTimer *time.Timer     // cuts the link if there is no roster in time
	early       []xmpp.Presence // of strangers, until the roster arrives
	earlyBytes  int             // what they take
	probing     prober
	refused     int // how many subscription requests were
	approved    int // the same

	hasRoster, hasPong bool
	ready              chan struct{} // closed when both have arrived
	watches            atomic.Bool   // whether there is anybody to watch

	isPrivileged bool
	privileged   chan struct{} // closed when the server has said that we may see all of its users
	echoes       chan string   // the status texts of checks that have arrived, see witness
}

func newSession(source *Source, c *connection, observer ports.Observer) *session {
	bare, _ := splitJID(strings.ToLower(c.own))
	for jid, was := range source.contacts.byJID { // what was true of the last connection only is forgotten
		source.contacts.byJID[jid] = contact{user: was.user, wasVisible: was.visible || was.wasVisible}
	}
	return &session{connection: c, source: source, observer: observer, bareOwn: bare, probing: newProber(source.limits.probe), asked: make(map[string]bool),
		ready: make(chan struct{}), privileged: make(chan struct{}), echoes: make(chan string, 8)}
}

// find returns the contact of a JID, perhaps a new one. It returns false if the JID can be no user's, or if there is no room for a new one.
func (s *session) find(bare string) (contact, bool) {
	if c, known := s.source.contacts.byJID[bare]; known {
		return c, true
	}
	user, ok := s.source.directory.user(bare)
	others := s.source.contacts.aliases[user]
	if !ok || bare != string(user) && others > 0 && (others >= maxAliases || !s.room()) {
		s.source.log.Debug("not a user, or one with too many JIDs", "jid", bare)
		return contact{}, false
	}
	return contact{user: user}, true
}

// room reports whether there is room for a JID that the use cases do not count.
func (s *session) room() bool {
	return s.source.contacts.further+len(s.asked) < s.source.limits.uncounted
}

// keep stores what has become of a JID.
func (s *session) keep(bare string, c contact) {
	s.source.contacts.set(bare, c)
	s.watches.Store(true)
}

// ask notes that we ask to see a JID's presence. It returns false if there is no room for that.
func (s *session) ask(bare string) bool {
	if !s.asked[bare] && !s.room() {
		return false
	}
	s.asked[strings.Clone(bare)] = true
	s.watches.Store(true)
	return true
}

// request handles an IQ stanza: answers to our requests, roster pushes, and what others ask of us.
func (s *session) request(iq *xmpp.IQ) error {
	switch {
	case iq.Type == "result" || iq.Type == "error":
		return s.answer(iq)
	case iq.Type == "set" && bytes.HasPrefix(iq.Query, []byte(`<query xmlns="`+rosterNamespace+`"`)):
		return s.rosterPush(iq)
	}
	return s.reply(iq, "error", unsupported)
}

// answer handles the answer to one of our requests. It must come from our server, on behalf of our account or of itself: anybody
// can send us something with the same id. An error means that the link is of no use.
func (s *session) answer(iq *xmpp.IQ) error {
	from := strings.ToLower(iq.From)
	if bare, _ := splitJID(from); from != "" && bare != s.bareOwn && from != s.source.own.host {
		return nil
	}
	switch {
	case iq.ID == rosterID && !s.hasRoster:
		return s.roster(iq)
	case iq.ID == pingID && !s.hasPong: // the server has dealt with our login and all that follows from it
		s.hasPong = true
		s.checkReady()
	}
	return nil
}

// checkReady closes ready at the moment after which only stragglers are still to come. It is called once for the roster and once for the pong.
func (s *session) checkReady() {
	if s.hasRoster && s.hasPong {
		close(s.ready)
	}
}

// roster takes all contacts, and then the presences that arrived before the contacts were known. A server without a roster
// answers with an error of type cancel (RFC 6120, 8.3.2): then only trusted hosts count. Any other fault ends the link, so that
// the next one asks again. Nobody is forgotten unless the whole roster was read.
func (s *session) roster(iq *xmpp.IQ) error {
	if iq.Type == "error" {
		if kind := s.guard.find(rosterRefusal); kind != "cancel" {
			return fmt.Errorf("%w: it answers with an error of type %q", errRosterFailed, kind)
		}
		s.source.log.Debug("the XMPP server has no contacts for us")
	} else if err := s.items(iq); err != nil {
		return fmt.Errorf("%w: %w", errRosterFailed, err)
	}
	s.rosterTimer.Stop()
	s.hasRoster = true
	s.guard.enter(watching, maxStanza)
	for i := range s.early {
		_ = s.presence(&s.early[i]) // reports: only a subscription request sends anything
	}
	s.early, s.earlyBytes = nil, 0
	if iq.Type != "error" {
		s.forgetLost()
	}
	s.checkReady()
	return nil
}

// rosterPush takes a change of one contact. Only the own account's server may send it (RFC 6121, 2.1.6).
func (s *session) rosterPush(iq *xmpp.IQ) error {
	if from := strings.ToLower(iq.From); from != "" && from != s.bareOwn {
		s.source.log.Debug("ignoring a roster push from somebody else", "from", iq.From)
		return nil
	}
	if err := s.items(iq); err != nil {
		s.source.log.Warn("cannot read a change of the XMPP account's contacts", "err", err)
	}
	return s.reply(iq, "result", "")
}

// items takes all items of a roster.
func (s *session) items(iq *xmpp.IQ) error {
	items, err := parseRoster(iq.Query)
	for _, item := range items {
		s.contact(item)
	}
	return err
}

// contact takes one item of the roster, in full or as a push.
func (s *session) contact(item rosterItem) {
	bare, _ := splitJID(strings.ToLower(item.JID))
	if bare == s.bareOwn || !legalParts(bare, "") {
		return
	}
	if item.Subscription != "remove" && item.Ask == "subscribe" && !item.visible() {
		s.ask(bare)
	} else {
		delete(s.asked, bare)
	}
	if item.visible() {
		if c, ok := s.find(bare); ok && (c.visible || s.observer.Known(c.user)) {
			c.visible = true
			s.keep(bare, c)
		}
	} else if c, known := s.source.contacts.byJID[bare]; c.visible || known && item.Subscription == "remove" {
		s.forget(bare, c)
	}
}

// forgetLost forgets the contacts of earlier connections that are not in the roster any more.
func (s *session) forgetLost() {
	for bare, c := range s.source.contacts.byJID {
		switch {
		case !c.wasVisible || c.visible:
		case c.online:
			c.wasVisible = false
			s.source.contacts.byJID[bare] = c
		default:
			s.forget(bare, c)
		}
	}
}

// forget tells the observer that we may not see the user any more, or only by another JID: then this one's devices are removed.
func (s *session) forget(bare string, c contact) {
	if s.source.contacts.remove(bare, c.user) {
		s.observer.Report(domain.Report{User: c.user, Device: bare + "/", Status: domain.Unavailable, Prefix: true})
	} else {
		s.observer.Forget(c.user)
	}
}
