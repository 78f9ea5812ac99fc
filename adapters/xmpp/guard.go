package xmpp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
)

// How many bytes of plain text may arrive.
const (
	maxLogin  = 64 << 10 // altogether until logged in
	maxRoster = 16 << 20 // from one stanza to the next while the roster is awaited: a contact takes about 120
	maxStanza = 1 << 20  // from one stanza to the next afterwards
)

// maxMarks bounds the tags and attributes that may arrive from one stanza to the next: each becomes some hundred bytes in the
// parser, many times what it takes on the wire. The largest roster has fewer.
const maxMarks = 1_500_000

// maxIterations bounds what a server makes us compute to prove that we know the password (SCRAM, RFC 5802): nothing can stop go-xmpp
// while it computes. This many take less than a second; servers ask for 4,096 to 100,000.
const maxIterations = 500_000

// keptTail is how much of the latest plain text is kept to name the reason why the server ended the stream or refused the
// roster. The library reads up to 4 KiB beyond the stanza that it returns.
const keptTail = 8 << 10

// guard sees what the library has decrypted before the library parses it, as the library's "debug writer", and panics with a
// refusal when that must not be parsed. There is no other way: the library does act on what it has read even if the debug
// writer returns an error, and nothing can reach it then. See contain, which turns the panic into an error.
//
// Only the goroutine that called the library uses it, but for signs. Other goroutines write what the library sends; that is ignored, and
// it contains the password.
type guard struct {
	relay    *relay
	limit    int    // of unread
	roster   int    // the limit while the roster is awaited
	most     int    // of marks
	unread   int    // bytes since the library returned the last stanza
	marks    int    // an upper bound of the tags and attributes since then
	loggedIn bool   // the library opens no stream any more
	login    []byte // all plain text until logged in
	scanned  int    // how much of login needs no second look
	tail     []byte // the latest plain text
	awaiting bool   // the roster is awaited: each piece of it is a sign of life

	signs atomic.Uint64 // of life: it grows with every stanza, and with all that arrives while the roster is awaited
}

func newGuard(relay *relay, l limits) *guard {
	return &guard{relay: relay, limit: maxLogin, roster: l.rosterSize, most: l.marks}
}

// refusal is what the guard panics with.
type refusal struct{ err error }

var (
	received = []byte("RECV ") // the library marks what comes in
	redirect = []byte("see-other-host")

	errRedirected = errors.New("it redirects to another host, which is not supported: set xmpp.host")

	errCut = errors.New("the connection was given up")

	// challengeTag finds the opening tag of a challenge in any namespace, the text after it, and how the next tag begins.
	challengeTag = regexp.MustCompile(`<(?:[^<>/:\s]+:)?challenge\b[^<>]*>([^<]*)<([^<])`)
)

// Write implements io.Writer for the library. It never returns an error.
func (g *guard) Write(marked []byte) (int, error) {
	text, ok := bytes.CutPrefix(marked, received)
	if !ok {
		return len(marked), nil
	}
	if g.relay.isCut.Load() { // megabytes may wait in the socket yet
		panic(refusal{errCut})
	}
	g.unread += len(text)
	if g.unread > g.limit {
		panic(refusal{fmt.Errorf("it sent more than %d bytes without completing a stanza", g.limit)})
	}
	if g.marks += bytes.Count(text, []byte("<")) + bytes.Count(text, []byte("=")); g.marks > g.most {
		panic(refusal{fmt.Errorf("it sent more than %d tags and attributes without completing a stanza", g.most)})
	}
	if g.awaiting {
		g.signs.Add(1)
	}
	g.keepTail(text)
	if !g.loggedIn {
		g.login = append(g.login, text...)
		if err := g.checkLogin(); err != nil {
			panic(refusal{err})
		}
	}
	return len(marked), nil
}

// returned notes that the library has returned a stanza.
func (g *guard) returned() {
	g.unread, g.marks = 0, 0
	g.signs.Add(1)
}

// loginDone sets the bounds for the time after the login. First the roster is awaited, a single stanza that can take minutes.
func (g *guard) loginDone() {
	g.loggedIn, g.login, g.unread, g.marks = true, nil, 0, 0
	g.limit, g.awaiting = g.roster, true
}

// rosterDone sets the bounds for the time after the roster.
func (g *guard) rosterDone() { g.limit, g.awaiting = maxStanza, false }

func (g *guard) keepTail(text []byte) {
	if len(text) >= keptTail {
		g.tail = append(g.tail[:0], text[len(text)-keptTail:]...)
		return
	}
	if drop := len(g.tail) + len(text) - keptTail; drop > 0 {
		g.tail = append(g.tail[:0], g.tail[drop:]...)
	}
	g.tail = append(g.tail, text...)
}

// checkLogin refuses what the library must not see during the login. It would answer <see-other-host/> by an unencrypted connection of its
// own, past the relay, and it would compute any number of iterations that a challenge names.
func (g *guard) checkLogin() error {
	text := g.login[g.scanned:]
	if bytes.Contains(text, redirect) {
		return errRedirected
	}
	for _, tag := range challengeTag.FindAllSubmatch(text, -1) {
		if err := checkChallenge(tag[1], tag[2]); err != nil {
			return err
		}
	}
	// A tag and its text end with the next tag, so what begins before the last but one is done.
	if last := bytes.LastIndexByte(text, '<'); last > 0 {
		g.scanned += max(0, bytes.LastIndexByte(text[:last], '<'))
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
		if !found {
			continue
		}
		if n, err := strconv.Atoi(count); err != nil || n > maxIterations {
			return fmt.Errorf("its login asks for %.20q rounds of hashing, at most %d are done", count, maxIterations)
		}
	}
	return nil
}

// streamCondition is the element that names why a server ended a stream or refused a login (RFC 6120, 4.9.3 and 6.5).
var streamCondition = regexp.MustCompile(`<([a-z-]{1,40})[^<>]*?/?>`)

// condition returns the name of the latest error element: the first child of a stream error or of a SASL failure.
func (g *guard) condition() string {
	for _, opening := range []string{"<stream:error", "<failure"} {
		if at := bytes.LastIndex(g.tail, []byte(opening)); at >= 0 {
			if match := streamCondition.FindSubmatch(g.tail[at+len(opening):]); match != nil {
				return string(match[1])
			}
		}
	}
	return ""
}

// rosterRefusal is an answer to the roster request that is an error, up to the error's type.
var rosterRefusal = regexp.MustCompile(`(?s)<iq\b[^<>]*\bid\s*=\s*["']` + rosterID + `["'][^<>]*>.*?<error\b[^<>]*\btype\s*=\s*["']([a-z]{1,20})["']`)

// rosterError returns the type of the error with which the server has just answered the roster request (RFC 6120, 8.3.2), or
// nothing. The library does not keep it.
func (g *guard) rosterError() string {
	if match := rosterRefusal.FindSubmatch(g.tail); match != nil {
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
