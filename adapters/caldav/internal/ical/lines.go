package ical

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

// The limits of what is read. A calendar that has more is refused as a whole.
const (
	MaxBytes     = 10 << 20  // of text
	maxDepth     = 8         // of components in each other; RFC 5545 has three
	maxEvents    = 100_000   // in a text
	maxIntervals = 5000      // in the window
	maxWork      = 4_000_000 // days, times of day and the like that are looked at; a second or so
)

// The errors of Read. They contain nothing of the calendar, which may be private.
var (
	ErrNoCalendar = errors.New("this is no iCalendar text")
	ErrTruncated  = errors.New("the iCalendar text ends in the middle")
	ErrTooMuch    = errors.New("the calendar is too large, or takes too long to compute")
)

// property is a content line (RFC 5545, 3.1).
type property struct {
	name   string // in upper case
	params []parameter
	value  string // as it stands there, with its escapes
}

type parameter struct{ name, value string } // the name in upper case, the value without quotes; the first one of a list

// param returns the value of a parameter, or nothing.
func (p *property) param(name string) string {
	for _, param := range p.params {
		if param.name == name {
			return param.value
		}
	}
	return ""
}

// lines gives the content lines of a text, unfolded. A line that cannot be read is left out: one bad line shall not cost a calendar.
type lines struct{ rest []byte }

func newLines(text []byte) *lines {
	return &lines{bytes.TrimPrefix(text, []byte("\ufeff"))}
}

// next returns the next content line, or false at the end.
func (l *lines) next() (property, bool) {
	for len(l.rest) > 0 {
		if p, ok := parseLine(l.unfold()); ok {
			return p, true
		}
	}
	return property{}, false
}

// unfold cuts off the next line and its continuations, which begin with a space or a tab.
func (l *lines) unfold() string {
	line := l.cut()
	if !l.continues() {
		return string(line)
	}
	unfolded := append([]byte(nil), line...)
	for l.continues() {
		unfolded = append(unfolded, l.cut()[1:]...)
	}
	return string(unfolded)
}

func (l *lines) continues() bool { return len(l.rest) > 0 && (l.rest[0] == ' ' || l.rest[0] == '\t') }

// cut cuts off the next line as it stands there, which ends with LF or CRLF.
func (l *lines) cut() []byte {
	line, rest, _ := bytes.Cut(l.rest, []byte("\n"))
	l.rest = rest
	return bytes.TrimSuffix(line, []byte("\r"))
}

// parseLine reads a line such as DTSTART;TZID="Europe/Berlin":20260105T090000.
func parseLine(line string) (p property, ok bool) {
	end := strings.IndexAny(line, ";:")
	if end <= 0 {
		return p, false
	}
	p.name = strings.ToUpper(line[:end])
	rest := line[end:]
	for rest[0] == ';' {
		name, after, found := strings.Cut(rest[1:], "=")
		if !found {
			return p, false
		}
		value, after, ok := cutParameter(after)
		if !ok {
			return p, false
		}
		p.params = append(p.params, parameter{strings.ToUpper(name), value})
		rest = after
	}
	p.value = rest[1:]
	return p, true
}

// cutParameter cuts off the values of a parameter. It returns the first one, and the rest, which begins with ; or a colon.
func cutParameter(text string) (value, rest string, ok bool) {
	for first := true; ; first = false {
		var one string
		if strings.HasPrefix(text, `"`) {
			if one, text, ok = strings.Cut(text[1:], `"`); !ok {
				return "", "", false
			}
		} else {
			end := strings.IndexAny(text, `,;:"`)
			if end < 0 {
				return "", "", false
			}
			one, text = text[:end], text[end:]
		}
		if first {
			value = one
		}
		switch {
		case strings.HasPrefix(text, ","):
			text = text[1:]
		case strings.HasPrefix(text, ";"), strings.HasPrefix(text, ":"):
			return value, text, true
		default:
			return "", "", false
		}
	}
}

var textEscapes = strings.NewReplacer(`\\`, `\`, `\;`, `;`, `\,`, `,`, `\n`, "\n", `\N`, "\n")

// unescape reads a value of the type TEXT (RFC 5545, 3.3.11).
func unescape(value string) string {
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\ufffd")
	}
	return textEscapes.Replace(value)
}
