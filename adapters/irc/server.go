package irc

import (
	"strconv"
	"strings"

	"github.com/ergochat/irc-go/ircmsg"
)

// Capabilities (IRCv3) that the daemon asks for. The draft's name is that of older servers.
const (
	capAwayNotify           = "away-notify"
	capAccountNotify        = "account-notify"
	capExtendedMonitor      = "extended-monitor"
	capDraftExtendedMonitor = "draft/extended-monitor"
	capSASL                 = "sasl"
)

// server is what a server has said of itself.
type server struct {
	offered map[string]string // those capabilities that the daemon knows, with their values
	enabled map[string]bool
	mapping string // CASEMAPPING
	monitor int    // how many nicks it can monitor, 0: it cannot
}

func newServer() server {
	return server{offered: make(map[string]string), enabled: make(map[string]bool), mapping: "rfc1459"}
}

// readOffer reads a line of the answer to CAP LS, and reports whether it is the last one.
func (s *server) readOffer(m ircmsg.Message) (complete bool) {
	for offer := range strings.FieldsSeq(last(m)) {
		name, value, _ := strings.Cut(offer, "=")
		switch name {
		case capAwayNotify, capAccountNotify, capExtendedMonitor, capDraftExtendedMonitor, capSASL:
			s.offered[name] = value
		}
	}
	return len(m.Params) < 4 || m.Params[2] != "*"
}

// enable notes capabilities that are turned on or off.
func (s *server) enable(list string, on bool) {
	for name := range strings.FieldsSeq(list) {
		if _, known := s.offered[name]; known {
			s.enabled[name] = on
		}
	}
}

// readSupport reads RPL_ISUPPORT.
func (s *server) readSupport(m ircmsg.Message) {
	for _, token := range m.Params {
		name, value, _ := strings.Cut(token, "=")
		switch name {
		case "CASEMAPPING":
			s.mapping = value
		case "MONITOR":
			s.monitor = 1 << 20 // no limit
			if limit, err := strconv.Atoi(value); err == nil {
				s.monitor = max(limit, 0)
			}
		}
	}
}

// tells reports whether the server tells of nicks that are monitored what a capability is for.
func (s *server) tells(capability string) bool {
	return s.enabled[capability] && (s.enabled[capExtendedMonitor] || s.enabled[capDraftExtendedMonitor])
}

// fold makes one spelling of all that mean the same nick.
func (s *server) fold(nick string) string {
	upper := byte('^') // rfc1459: {}|~ are the lower case of []\^
	switch s.mapping {
	case "ascii":
		upper = 'Z'
	case "rfc1459":
	case "rfc1459-strict", "strict-rfc1459":
		upper = ']'
	default: // some Unicode
		return strings.ToLower(nick)
	}
	folded := []byte(nick)
	for i, c := range folded {
		if c >= 'A' && c <= upper {
			folded[i] = c + 'a' - 'A'
		}
	}
	return string(folded)
}
