// Package problem holds the errors by which the handlers refuse a request, and says where in the request the fault is. Package http turns
// them into answers, and decides the status of each.
package problem

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

var (
	// ErrMalformed says that a request does not have the form it should have.
	ErrMalformed = errors.New("malformed request")

	// ErrTooMany says that a request asks for too much at once.
	ErrTooMany = errors.New("too much for one request")

	// ErrInvalidLines says that an import has lines that cannot be imported.
	ErrInvalidLines = errors.New("invalid lines")

	// ErrUnread says that a request could not be read to its end. It comes with the reason.
	ErrUnread = errors.New("the request could not be read")

	// ErrBodies says that too many large bodies arrive at the same time.
	ErrBodies = errors.New("too many large requests arrive at once (http.max_bodies)")

	// ErrQuota says that a user has as much as one user may have.
	ErrQuota = errors.New("too much for one user")

	// ErrForbiddenOrigin says that a web page may not use the API.
	ErrForbiddenOrigin = errors.New("http.cors_origins does not name the page's origin")

	// ErrOtherOrigin says that a request that a proxy has signed in does not come from a page of this server.
	ErrOtherOrigin = errors.New("a request without a token, which the proxy has signed in, must come from a page of this server (Sec-Fetch-Site or Origin say so)")
)

// Entry names one fault in a request, as RFC 9457 wants it in the answer.
type Entry struct {
	Detail    string `json:"detail"`
	Pointer   string `json:"pointer,omitempty"`   // to the fault in the body, see Pointer
	Parameter string `json:"parameter,omitempty"` // of the query or the path
}

// Error is a refusal and the places that it is about.
type Error struct {
	Kind    error // what decides the status
	Detail  string
	Entries []Entry
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Malformed refuses a request without naming a place.
func Malformed(format string, args ...any) *Error {
	return &Error{Kind: ErrMalformed, Detail: fmt.Sprintf(format, args...)}
}

// InBody refuses what is at a pointer in the body. The pointer and the detail make a sentence.
func InBody(kind error, pointer, detail string) *Error {
	return &Error{Kind: kind, Detail: pointer + " " + detail, Entries: []Entry{{Pointer: pointer, Detail: detail}}}
}

// InParameter refuses a parameter of the URL. Its name and the detail make a sentence.
func InParameter(kind error, name, detail string) *Error {
	return &Error{Kind: kind, Detail: "the parameter " + name + " " + detail, Entries: []Entry{{Parameter: name, Detail: detail}}}
}

// Locate adds to the error of a use case where in the request the faults are that it names. Equal faults that follow one another are
// named once: each update of a user has the same one if its id is malformed. Any other error is returned as it is.
func Locate(err error, place func(domain.Problem) Entry) error {
	var problems domain.Problems
	if !errors.As(err, &problems) {
		return err
	}
	entries := make([]Entry, 0, len(problems))
	for _, p := range problems {
		entry := place(p)
		entry.Detail = p.Err.Error()
		if n := len(entries); n == 0 || entries[n-1] != entry {
			entries = append(entries, entry)
		}
	}
	return &Error{Kind: err, Detail: err.Error(), Entries: entries}
}

// maxName is up to which length a name from outside is repeated, in bytes.
const maxName = 80

// Clip makes a name from outside fit to be shown.
func Clip(name string) string {
	if len(name) > maxName {
		return strings.ToValidUTF8(name[:maxName], "") + "..."
	}
	return strings.ToValidUTF8(name, "")
}

// LargeAnswer refuses a request whose answer would be too large.
func LargeAnswer(limit int) *Error {
	return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("the answer would have more than %v (http.max_answer): ask for fewer users at once", setting.Size(limit))}
}

// Pointer returns a JSON pointer, as a URI fragment (RFC 6901, section 6), to what the given path leads to. It clips long names.
func Pointer(path ...string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, name := range path {
		b.WriteByte('/')
		name = Clip(name)
		for i := range len(name) {
			switch c := name[i]; {
			case c == '~':
				b.WriteString("~0")
			case c == '/':
				b.WriteString("~1")
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._!$&'()*+,;=:@?", c) >= 0:
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	return b.String()
}
