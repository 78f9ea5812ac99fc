// Package backup reads and writes the lines of an export: one presence each, as JSON,
//
//	{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a meeting","since":"2026-11-23T09:00:00.000000000Z",
//	"updated":"2026-11-23T09:14:30.123456789Z","expires":"2026-11-23T09:16:30.123456789Z","stale":false}
//
// without the line break. A presence that holds for ever has no expires. device is the name of the client's device, if it has one. fixed says that
// expires was asked for, and vanishes that nothing is left then. The commands and API v1 use this package.
package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/zarafa/presence/domain"
)

type line struct {
	User     domain.UserID `json:"user"`
	Protocol string        `json:"protocol"`
	Device   string        `json:"device,omitempty"`
	Status   string        `json:"status"`
	Message  string        `json:"message"`
	Since    string        `json:"since,omitempty"`
	Updated  string        `json:"updated,omitempty"`
	Expires  string        `json:"expires,omitempty"`
	Fixed    bool          `json:"fixed,omitempty"`
	Vanishes bool          `json:"vanishes,omitempty"`
	Stale    bool          `json:"stale"`
}

// MaxLine is the longest line that is read, in bytes. The longest message takes less than half of it, whichever way it is escaped.
const MaxLine = 64 << 10

// momentLayout is RFC 3339 with all nanoseconds, in UTC.
const momentLayout = "2006-01-02T15:04:05.000000000Z"

// Append appends the line of a presence, with its end.
func Append(dst []byte, user domain.UserID, p *domain.Presence) []byte {
	moment := func(t domain.Timestamp) string {
		if t.IsZero() {
			return ""
		}
		return t.Time().Format(momentLayout)
	}
	into := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(into)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(line{
		User: user, Protocol: p.Protocol.String(), Device: p.Device.String(), Status: p.Status.String(), Message: p.Message,
		Since: moment(p.Since), Updated: moment(p.Updated), Expires: moment(p.Expires), Fixed: p.Fixed, Vanishes: p.Vanishes, Stale: p.Stale,
	})
	if err != nil {
		panic(err) // strings can always be encoded, and a buffer takes everything
	}
	return into.Bytes()
}

// lineField is a field that a line can have.
type lineField struct {
	name     string
	required bool
	set      func(user *domain.UserID, p *domain.Presence, value []byte) error
}

var lineFields = [...]lineField{
	{"user", true, text(func(user *domain.UserID, _ *domain.Presence, s string) (err error) {
		*user, err = domain.ParseUserID(s)
		return err
	})},
	{"protocol", true, text(func(_ *domain.UserID, p *domain.Presence, s string) (err error) {
		p.Protocol, err = domain.ParseProtocol(s)
		return err
	})},
	{"device", false, text(func(_ *domain.UserID, p *domain.Presence, s string) (err error) {
		p.Device, err = domain.ParseDeviceID(s)
		return err
	})},
	{"status", true, text(func(_ *domain.UserID, p *domain.Presence, s string) (err error) {
		p.Status, err = domain.ParseStatus(s)
		return err
	})},
	{"message", false, text(func(_ *domain.UserID, p *domain.Presence, s string) error {
		p.Message = s
		return domain.CheckMessage(s)
	})},
	{"since", true, text(func(_ *domain.UserID, p *domain.Presence, s string) error { return setMoment(&p.Since, s) })},
	{"updated", true, text(func(_ *domain.UserID, p *domain.Presence, s string) error { return setMoment(&p.Updated, s) })},
	{"expires", false, text(func(_ *domain.UserID, p *domain.Presence, s string) error { return setMoment(&p.Expires, s) })},
	{"fixed", false, flag(func(p *domain.Presence, is bool) { p.Fixed = is })},
	{"vanishes", false, flag(func(p *domain.Presence, is bool) { p.Vanishes = is })},
	{"stale", false, flag(func(p *domain.Presence, is bool) { p.Stale = is })},
}

// flag makes the setter of a field from that of a bool.
func flag(set func(*domain.Presence, bool)) func(*domain.UserID, *domain.Presence, []byte) error {
	return func(_ *domain.UserID, p *domain.Presence, value []byte) error {
		if string(value) != "true" && string(value) != "false" {
			return errors.New("expected true or false")
		}
		set(p, string(value) == "true")
		return nil
	}
}

// text makes the setter of a field from that of a string.
func text(set func(*domain.UserID, *domain.Presence, string) error) func(*domain.UserID, *domain.Presence, []byte) error {
	return func(user *domain.UserID, p *domain.Presence, value []byte) error {
		if value[0] != '"' {
			return errors.New("expected a string")
		}
		s, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return err
		}
		return set(user, p, string(s))
	}
}

// Parse reads a line. An error says what is wrong with it. Unknown fields and fields that are there twice are errors, because something would
// get lost.
func Parse(text []byte) (user domain.UserID, p domain.Presence, err error) {
	var seen [len(lineFields)]bool
	err = eachField(text, func(name string, value []byte) error {
		at := slices.IndexFunc(lineFields[:], func(f lineField) bool { return f.name == name })
		if at < 0 {
			return errors.New("there is no such field")
		}
		seen[at] = true
		return lineFields[at].set(&user, &p, value)
	})
	if err != nil {
		return "", domain.Presence{}, err
	}
	for i, field := range lineFields {
		if field.required && !seen[i] {
			return "", domain.Presence{}, fmt.Errorf("%s is missing", field.name)
		}
	}
	return user, p, nil
}

// setMoment reads a moment in any form that RFC 3339 has.
func setMoment(moment *domain.Timestamp, text string) error {
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("expected a time such as 2026-11-23T09:14:30.123456789Z, got %.40q", text)
	}
	*moment = domain.TimestampOf(t)
	if moment.IsZero() || !moment.Time().Equal(t) {
		return fmt.Errorf("%.40q is too far away, or is what stands for no time", text)
	}
	return nil
}

// eachField calls visit with the fields of a JSON object, whose values are as they are written, and returns its error with the field's name
// before it.
func eachField(text []byte, visit func(name string, value []byte) error) error {
	from := jsontext.NewDecoder(bytes.NewBuffer(text))
	if kind := from.PeekKind(); kind != '{' && jsontext.Value(text).IsValid() {
		return errors.New("expected an object: {...}")
	}
	if _, err := from.ReadToken(); err != nil { // the brace
		return notJSON(err)
	}
	for from.PeekKind() != '}' {
		token, err := from.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		name := token.String()
		value, err := from.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if err := visit(name, value); err != nil {
			return fmt.Errorf("%s: %w", printable(name), err)
		}
	}
	if _, err := from.ReadToken(); err != nil {
		return notJSON(err)
	}
	if _, err := from.ReadToken(); !errors.Is(err, io.EOF) {
		return notJSON(err)
	}
	return nil
}

// notJSON says what is wrong with text that is not a proper JSON object.
func notJSON(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("not JSON: it is cut off")
	case !errors.As(err, &syntax):
		return errors.New("not JSON: something follows the object")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%s: is there twice", printable(syntax.JSONPointer.LastToken()))
	}
	return fmt.Errorf("not JSON: %w", syntax.Err)
}

// printable makes a name from outside fit to be shown: short, and without characters that do something to a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, fmt.Sprintf("%.40s", name))
}

// Line is a line of a file.
type Line struct {
	Number int
	End    int64  // how many bytes there are up to its end
	Text   []byte // nil if it is longer than MaxLine; valid until the next line is read
}

// Parse is the package's Parse, and refuses a line that is too long.
func (l Line) Parse() (domain.UserID, domain.Presence, error) {
	if l.Text == nil {
		return "", domain.Presence{}, fmt.Errorf("the line is longer than %d bytes", MaxLine)
	}
	return Parse(l.Text)
}

// Each calls visit with every line that is not blank, until visit returns an error, which it returns.
func Each(from io.Reader, visit func(Line) error) error {
	r := bufio.NewReaderSize(from, MaxLine)
	current := Line{}
	for {
		text, err := r.ReadSlice('\n')
		current.Number++
		current.End += int64(len(text))
		current.Text = text
		for errors.Is(err, bufio.ErrBufferFull) {
			text, err = r.ReadSlice('\n')
			current.End += int64(len(text))
			current.Text = nil
		}
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if current.Text == nil || len(bytes.TrimSpace(current.Text)) > 0 {
			if err := visit(current); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}
