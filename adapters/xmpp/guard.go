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

// keptText is how much of the latest plain text is kept after the login, to name the reason why the server ended the stream or refused
// the roster. The library reads up to 4 KiB beyond the stanza that it returns.
const keptText = 8 << 10

// guard sees what the library has decrypted before the library parses it, as the library's "debug writer", and panics with a
// refusal when that must not be parsed. There is no other way: the library does act on what it has read even if the debug
// writer returns an error, and nothing can reach it then. See contain, which turns the panic into an error.
//
// Only the goroutine that called the library uses it, but for signs. Other goroutines write what the library sends; that is ignored, and
// it contains the password.
type guard struct {
	cut     func() error // why the link was cut; nil if it was not
	phase   phase
	limit   int    // of unread
	most    int    // of marks
	unread  int    // bytes since the library returned the last stanza
	marks   int    // an upper bound of the tags and attributes since then
	text    []byte // all plain text until logged in, then the latest
	scanned int    // how much of the login's text needs no second look

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
	g.unread, g.marks = 0, 0
}

// returned notes that the library has returned a stanza.
func (g *guard) returned() {
	g.unread, g.marks = 0, 0
	g.signs.Add(1)
}

// refusal is what the guard panics with.
type refusal struct{ err error }

var received = []byte("RECV ") // the library marks what comes in

// Write implements io.Writer for the library. It never returns an error.
func (g *guard) Write(marked []byte) (int, error) {
	if text, ok := bytes.CutPrefix(marked, received); ok {
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
	text := g.text[g.scanned:]
	if bytes.Contains(text, []byte("see-other-host")) {
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
		if n, err := strconv.Atoi(count); found && (err != nil || n > maxIterations) {
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
		if at := bytes.LastIndex(g.text, []byte(opening)); at >= 0 {
			if match := streamCondition.FindSubmatch(g.text[at+len(opening):]); match != nil {
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
	if match := rosterRefusal.FindSubmatch(g.text); match != nil {
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
