package document

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zarafa/presence/domain"
)

// ArgFault says what is wrong with a parameter of a URL. It is an error.
type ArgFault struct {
	Name    string // of the parameter
	Detail  string
	TooMany bool // there are more than MaxUsers
}

// Error returns the detail and which parameter it is about.
func (f *ArgFault) Error() string { return fmt.Sprintf("the parameter %s %s", f.Name, f.Detail) }

// ReadArgs reads the query of a URL, user=markd@zarafa.com&user=alice@example.test&since=4711. It is percent-decoded in place (RFC 3986,
// section 2.1); a plus sign stands for itself, for ids have some, and no spaces. A fault is an *ArgFault.
func (q *Query) ReadArgs(text []byte) error {
	q.Reset()
	for len(text) > 0 {
		arg := text
		if end := bytes.IndexByte(text, '&'); end >= 0 {
			arg, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		name, value, _ := bytes.Cut(arg, []byte{'='})
		if len(arg) == 0 {
			continue
		}
		if fault := q.arg(name, value); fault != nil {
			return fault
		}
	}
	return nil
}

func (q *Query) arg(name, value []byte) *ArgFault {
	decoded, err := Unescape(value)
	if err != nil {
		return &ArgFault{Name: clip(name), Detail: err.Error()}
	}
	switch string(name) {
	case "user":
		if len(q.Users) == MaxUsers {
			return &ArgFault{Name: "user", Detail: fmt.Sprintf("is there more than %d times", MaxUsers), TooMany: true}
		}
		q.Users, q.Named = append(q.Users, decoded), true
	case "since":
		n, err := strconv.ParseUint(decoded, 10, 64)
		switch {
		case q.Again:
			return &ArgFault{Name: "since", Detail: "is there twice"}
		case err != nil || n > MaxRevision:
			return &ArgFault{Name: "since", Detail: "must be " + revisionForm}
		}
		q.Since, q.Again = domain.Revision(n), true
	default:
		return &ArgFault{Name: clip(name), Detail: "is not known; the parameters are user and since"}
	}
	return nil
}

// clip makes a name from outside fit to be shown.
func clip(name []byte) string {
	const most = 80
	if len(name) > most {
		return string(bytes.ToValidUTF8(name[:most], nil)) + "..."
	}
	return string(bytes.ToValidUTF8(name, nil))
}

var errEscape = errors.New("has a percent sign without two hexadecimal digits")

// Unescape percent-decodes a part of a URL, in place. The result shares its memory.
func Unescape(text []byte) (string, error) {
	at := bytes.IndexByte(text, '%')
	if at < 0 {
		return view(text), nil
	}
	to := at
	for at < len(text) {
		c := text[at]
		at++
		if c == '%' {
			if len(text)-at < 2 {
				return "", errEscape
			}
			high, low := nibble(text[at]), nibble(text[at+1])
			if high > 15 || low > 15 {
				return "", errEscape
			}
			c = high<<4 | low
			at += 2
		}
		text[to] = c
		to++
	}
	return view(text[:to]), nil
}

// UnescapeString is Unescape for a text that must not be changed.
func UnescapeString(text string) (string, error) {
	if strings.IndexByte(text, '%') < 0 {
		return text, nil
	}
	return Unescape([]byte(text))
}

// nibble returns the value of a hexadecimal digit, more than 15 if it is none.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
