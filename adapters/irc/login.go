package irc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ergochat/irc-go/ircmsg"
	"github.com/ergochat/irc-go/ircutils"

	"github.com/zarafa/presence/ports"
)

const (
	mostNicks     = 50     // that are tried
	longestAnswer = 10_000 // messages before the login is complete: the message of the day is among them
)

// login is a login in progress.
type login struct {
	source        *Source
	conn          *connection
	server        server
	nick          string
	tried         int  // nicks that were taken
	authenticated bool // by SASL
	welcome       bool
}

// login logs in, and returns what the server can do and the daemon's nick. The error wraps ports.ErrRejected if only a person can help.
func (s *Source) login(ctx context.Context, conn *connection) (server, string, error) {
	l := &login{source: s, conn: conn, server: newServer(), nick: s.config.Nick}
	lines := []string{"CAP LS 302", "NICK " + l.nick, "USER presence 0 * :presence"}
	if password := s.config.Password.Reveal(); password != "" && s.config.SASL == saslNone {
		lines = append([]string{"PASS :" + password}, lines...)
	}
	if err := conn.send(lines...); err != nil {
		return l.server, "", err
	}
	for range longestAnswer {
		m, err := conn.receive(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return l.server, "", fmt.Errorf("the server has not accepted the login after %v", s.limits.login)
		}
		if err != nil {
			return l.server, "", err
		}
		if complete, err := l.take(m); complete || err != nil {
			return l.server, l.nick, err
		}
	}
	return l.server, "", errors.New("the server does not come to the end of its greeting")
}

// take takes a message, and reports whether the login is complete.
func (l *login) take(m ircmsg.Message) (complete bool, _ error) {
	switch m.Command {
	case "PING":
		return false, l.conn.pong(m)
	case "CAP":
		return false, l.negotiate(m)
	case "AUTHENTICATE":
		if param(m, 0) != "+" {
			return false, nil
		}
		return false, l.authenticate()
	case "903": // SASL was successful
		l.authenticated = true
		return false, l.conn.send("CAP END")
	case "433", "436", "437": // the nick is taken
		return false, l.anotherNick()
	case "001":
		l.welcome, l.nick = true, param(m, 0)
		if l.source.config.SASL == saslPlain && !l.authenticated {
			return false, errors.New("the server did not ask for the account: it has no SASL")
		}
	case "005":
		l.server.readSupport(m)
	case "376", "422": // the end of the message of the day, which may be missing
		return l.welcome, nil
	case "432", "463", "464", "465", // the nick is not allowed, the host, the password; banned
		"902", "904", "905", "908": // the account is locked, is refused, does not fit; no such mechanism
		return false, fmt.Errorf("%w: %s", ports.ErrRejected, l.source.quote(last(m)))
	case "906", "907": // SASL was aborted
		return false, fmt.Errorf("SASL: %s", l.source.quote(last(m)))
	case "ERROR":
		if refusal.MatchString(last(m)) {
			return false, fmt.Errorf("%w: %s", ports.ErrRejected, l.source.quote(last(m)))
		}
		return false, l.source.ended(m)
	}
	return false, nil
}

// refusal finds the errors that only a person can do something about. Servers have no numbers for them.
var refusal = regexp.MustCompile(`(?i)password|access denied|banned|\b[gkz]-?lined?\b|not authori[sz]ed`)

// negotiate agrees on capabilities (IRCv3).
func (l *login) negotiate(m ircmsg.Message) error {
	switch strings.ToUpper(param(m, 1)) {
	case "LS":
		if !l.server.readOffer(m) {
			return nil
		}
		sasl := l.source.config.SASL == saslPlain
		mechanisms, can := l.server.offered[capSASL]
		if sasl && (!can || mechanisms != "" && !strings.Contains(","+mechanisms+",", ",PLAIN,")) {
			return errors.New("the server has no SASL PLAIN now: its services may be down")
		}
		var wanted []string
		for _, name := range slices.Sorted(maps.Keys(l.server.offered)) {
			if name != capSASL || sasl {
				wanted = append(wanted, name)
			}
		}
		if len(wanted) > 0 {
			return l.conn.send("CAP REQ :" + strings.Join(wanted, " "))
		}
	case "ACK":
		l.server.enable(last(m), true)
		if l.server.enabled[capSASL] {
			return l.conn.send("AUTHENTICATE PLAIN")
		}
	case "NAK":
	default:
		return nil
	}
	return l.conn.send("CAP END")
}

// authenticate sends the account and its password (RFC 4616).
func (l *login) authenticate() error {
	for _, part := range ircutils.EncodeSASLResponse([]byte(l.source.account())) {
		if err := l.conn.send("AUTHENTICATE " + part); err != nil {
			return err
		}
	}
	return nil
}

// account is what SASL PLAIN sends.
func (s *Source) account() string {
	return "\x00" + s.config.Nick + "\x00" + s.config.Password.Reveal()
}

// anotherNick asks for a nick that is similar to the configured one. It has nine letters at most, for more are not allowed everywhere.
func (l *login) anotherNick() error {
	if l.welcome {
		return nil
	}
	if l.tried++; l.tried > mostNicks {
		return fmt.Errorf("the nick %s and %d similar ones are taken", l.source.config.Nick, mostNicks)
	}
	number := strconv.Itoa(l.tried)
	l.nick = l.source.config.Nick[:min(len(l.source.config.Nick), 9-len(number))] + number
	return l.conn.send("NICK " + l.nick)
}

// ended is the error of a connection that the server ends with ERROR.
func (s *Source) ended(m ircmsg.Message) error {
	if flood.MatchString(last(m)) && s.limits.pace < s.limits.slow {
		s.limits.pace = s.limits.slow
		s.log.Warn("the IRC server says that it was asked too fast; from now on it is asked more slowly", "line_every", s.limits.pace)
	}
	return fmt.Errorf("the server ended the connection: %s", s.quote(last(m)))
}

var flood = regexp.MustCompile(`(?i)flood`)

// quote quotes what a server says: one line of bounded length, without the password, which a server might repeat.
func (s *Source) quote(text string) string {
	if password := s.config.Password.Reveal(); password != "" {
		text = strings.ReplaceAll(text, password, "***")
		text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte(s.account())), "***")
	}
	return strconv.Quote(strings.ToValidUTF8(text[:min(len(text), 300)], ""))
}
