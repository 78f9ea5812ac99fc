package xmpp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	maxLogin  = 64 << 10 // bytes of plain text that may arrive until logged in
	maxStanza = 1 << 20  // and from one stanza to the next after the roster

	// maxIterations bounds what a server makes us compute to prove that we know the password (SCRAM, RFC 5802): nothing can stop go-xmpp while
	// it computes. This many take less than a second; servers ask for 4,096 to 100,000.
	maxIterations = 500_000

	// keptText is how much of the latest plain text is kept after the login, to name the reason why the server ended the stream or refused
	// the roster. The library reads up to 4 KiB beyond the stanza that it returns.
	keptText = 8 << 10
)

// guard sees what the library has decrypted before the library parses it, as the library's "debug writer", and panics with a
// refusal when that must not be parsed. There is no other way: the library acts on what it has read even if the debug
// writer returns an error. See contain, which turns the panic into an error.
//
// Only the goroutine that called the library uses it, but for signs. What others send passes by here as well, the password too; it is ignored.
type guard struct {
	cut    func() error // why the link was cut; nil if it was not
	phase  phase
	limit  int    // of unread
	most   int    // of marks
	unread int    // bytes since the library returned the last stanza
	marks  int    // an upper bound of the tags and attributes since then
	text   []byte // all plain text until logged in, then the latest

	signs atomic.Uint64 // of life: it grows with every stanza, and with all that arrives while the roster is awaited
}

// phase is how far a connection is.
type phase int

const (
	loggingIn      phase = iota
	awaitingRoster       // a single stanza that can take minutes: each piece of it is a sign of life
	watching
)

func newGuard(cut func() error, l limits) *guard {
	return &guard{cut: cut, limit: maxLogin, most: l.marks}
}

// enter begins a phase, with a limit of the bytes from one stanza to the next.
func (g *guard) enter(p phase, limit int) {
	g.phase, g.limit = p, limit
	g.returned()
}

// returned notes that the library has returned a stanza.
func (g *guard) returned() {
	g.unread, g.marks = 0, 0
	g.signs.Add(1)
}

// refusal is what the guard panics with.
type refusal struct{ err error }

// Write implements io.Writer for the library. It never returns an error.
func (g *guard) Write(marked []byte) (int, error) {
	if text, ok := bytes.CutPrefix(marked, []byte("RECV ")); ok {
		if err := g.check(text); err != nil {
			panic(refusal{err})
		}
	}
	return len(marked), nil
}

// check returns why the library must not see the text that has arrived.
func (g *guard) check(text []byte) error {
	if err := g.cut(); err != nil { // megabytes may wait in the socket yet
		return err
	}
	g.text = append(g.text, text...)
	g.unread += len(text)
	g.marks += bytes.Count(text, []byte("<")) + bytes.Count(text, []byte("="))
	switch {
	case g.unread > g.limit:
		return fmt.Errorf("it sent more than %d bytes without completing a stanza", g.limit)
	case g.marks > g.most:
		return fmt.Errorf("it sent more than %d tags and attributes without completing a stanza", g.most)
	case g.phase == loggingIn:
		return g.checkLogin()
	case g.phase == awaitingRoster:
		g.signs.Add(1)
	}
	g.text = slices.Delete(g.text, 0, max(0, len(g.text)-keptText))
	return nil
}

var (
	errRedirected = errors.New("it redirects to another host, which is not supported: set xmpp.host")

	// challengeTag finds the opening tag of a challenge in any namespace, the text after it, and how the next tag begins.
	challengeTag = regexp.MustCompile(`<(?:[^<>/:\s]+:)?challenge\b[^<>]*>([^<]*)<([^<])`)
)

// checkLogin refuses what the library must not see during the login. It would answer <see-other-host/> by an unencrypted connection of its
// own, past the relay, and it would compute any number of iterations that a challenge names.
func (g *guard) checkLogin() error {
	if bytes.Contains(g.text, []byte("see-other-host")) {
		return errRedirected
	}
	for _, tag := range challengeTag.FindAllSubmatch(g.text, -1) {
		if err := checkChallenge(tag[1], tag[2]); err != nil {
			return err
		}
	}
	return nil
}

// checkChallenge refuses a SCRAM challenge that is not plain base64 in one piece or asks for too much work. The closing tag's
// first character must be next.
func checkChallenge(text, next []byte) error {
	decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || next[0] != '/' {
		return errors.New("its login challenge is not base64")
	}
	for field := range strings.SplitSeq(string(decoded), ",") {
		count, found := strings.CutPrefix(field, "i=")
		if n, err := strconv.Atoi(count); found && (err != nil || n > maxIterations) {
			return fmt.Errorf("its login asks for %.20q rounds of hashing, at most %d are done", count, maxIterations)
		}
	}
	return nil
}

var (
	// streamCondition finds the latest element that names why a server ended a stream or refused a login (RFC 6120, 4.9.3 and 6.5): the first
	// child of a stream error or of a SASL failure.
	streamCondition = regexp.MustCompile(`(?s).*<(?:stream:error|failure)\b[^<>]*>[^<>]*<([a-z-]{1,40})`)

	// rosterRefusal finds the type of the error with which the server has answered the roster request (RFC 6120, 8.3.2). The library does
	// not keep it.
	rosterRefusal = regexp.MustCompile(`(?s)<iq\b[^<>]*\bid\s*=\s*["']` + rosterID + `["'][^<>]*>.*?<error\b[^<>]*\btype\s*=\s*["']([a-z]{1,20})["']`)
)

// find returns the word that a pattern finds in the latest plain text, or nothing.
func (g *guard) find(pattern *regexp.Regexp) string {
	if match := pattern.FindSubmatch(g.text); match != nil {
		return string(match[1])
	}
	return ""
}

// contain turns a panic into an error: the guard's refusal, or a fault in the library's parsing, which must not end the daemon.
// To be deferred.
func contain(err *error) {
	switch cause := recover().(type) {
	case nil:
	case refusal:
		*err = fmt.Errorf("the server was cut off: %w", cause.err)
	default:
		*err = fmt.Errorf("go-xmpp panicked on what the server sent: %v\n%s", cause, debug.Stack())
	}
}
