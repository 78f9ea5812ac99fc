package command

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
	"unicode/utf8"

	"github.com/zarafa/presence/domain"
)

// A line of an export is one presence as JSON:
//
//	{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a meeting","since":"2026-11-23T09:00:00.000000000Z",
//	"updated":"2026-11-23T09:14:30.123456789Z","expires":"2026-11-23T09:16:30.123456789Z","stale":false}
//
// (without the line break). A presence that holds for ever has no expires.
type line struct {
	User     domain.UserID `json:"user"`
	Protocol string        `json:"protocol"`
	Status   string        `json:"status"`
	Message  string        `json:"message"`
	Since    string        `json:"since,omitempty"`
	Updated  string        `json:"updated,omitempty"`
	Expires  string        `json:"expires,omitempty"`
	Stale    bool          `json:"stale"`
}

// maxLine is the longest line that is read, in bytes. The longest message takes less than half of it, whichever way it is escaped.
const maxLine = 64 << 10

// momentLayout is RFC 3339 with all nanoseconds, in UTC.
const momentLayout = "2006-01-02T15:04:05.000000000Z"

// lineOf returns the line of a presence.
func lineOf(user domain.UserID, p *domain.Presence) line {
	moment := func(t domain.Timestamp) string {
		if t.IsZero() {
			return ""
		}
		return t.Time().Format(momentLayout)
	}
	return line{user, p.Protocol.String(), p.Status.String(), p.Message, moment(p.Since), moment(p.Updated), moment(p.Expires), p.Stale}
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
	{"stale", false, func(_ *domain.UserID, p *domain.Presence, value []byte) error {
		p.Stale = string(value) == "true"
		if !p.Stale && string(value) != "false" {
			return errors.New("expected true or false")
		}
		return nil
	}},
}

// text makes what sets a field of what sets it to a string.
func text(set func(*domain.UserID, *domain.Presence, string) error) func(*domain.UserID, *domain.Presence, []byte) error {
	return func(user *domain.UserID, p *domain.Presence, value []byte) error {
		if value[0] != '"' {
			return errors.New("expected a string")
		}
		s, err := stringOf(value)
		if err != nil {
			return err
		}
		return set(user, p, s)
	}
}

// parseLine reads a line. An error says what is wrong with it; fields that nobody knows and fields that are there twice are among
// that, because something would get lost.
func parseLine(text []byte) (user domain.UserID, p domain.Presence, err error) {
	if !utf8.Valid(text) {
		return "", p, errors.New("not valid UTF-8")
	}
	var seen [len(lineFields)]bool
	err = eachField(text, func(name string, value []byte) error {
		at := slices.IndexFunc(lineFields[:], func(f lineField) bool { return f.name == name })
		switch {
		case at < 0:
			return errors.New("there is no such field")
		case seen[at]:
			return errors.New("is there twice")
		}
		seen[at] = true
		return lineFields[at].set(&user, &p, value)
	})
	if err != nil {
		return "", p, err
	}
	for i, field := range lineFields {
		if field.required && !seen[i] {
			return "", p, fmt.Errorf("%s is missing", field.name)
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
// before it. Of lists and objects that are values it passes the first character.
func eachField(text []byte, visit func(name string, value []byte) error) error {
	if !json.Valid(text) {
		return badJSON(text)
	}
	rest := bytes.TrimSpace(text) // whose form is not in doubt any more
	if rest[0] != '{' {
		return errors.New("expected an object: {...}")
	}
	for rest = skipTo(rest[1:], '"', '}'); rest[0] != '}'; rest = skipTo(rest, '"', '}') {
		end := stringEnd(rest)
		name, err := stringOf(rest[:end])
		if err != nil {
			return err
		}
		rest = bytes.TrimLeft(skipTo(rest[end:], ':')[1:], " \t\r\n")
		switch rest[0] {
		case '"':
			end = stringEnd(rest)
		case '{', '[':
			end = 1
		default:
			end = bytes.IndexAny(rest, ",} \t\r\n")
		}
		if err := visit(name, rest[:end]); err != nil {
			return fmt.Errorf("%s: %w", printable(fmt.Sprintf("%.40s", name)), err)
		}
		rest = rest[end:]
	}
	return nil
}

// skipTo returns text from the first of some characters on.
func skipTo(text []byte, stops ...byte) []byte {
	for !bytes.Contains(stops, text[:1]) {
		text = text[1:]
	}
	return text
}

// stringEnd returns how long the JSON string is with which text begins.
func stringEnd(text []byte) int {
	at := 1
	for ; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// stringOf returns what a JSON string says.
func stringOf(value []byte) (s string, err error) {
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	return s, json.Unmarshal(value, &s)
}

// badJSON says what is wrong with text that is not JSON.
func badJSON(text []byte) error {
	var anything any
	err := json.Unmarshal(text, &anything)
	if err == nil {
		return errors.New("not JSON")
	}
	if strings.Contains(err.Error(), "unexpected end") {
		return errors.New("not JSON: it is cut off")
	}
	return fmt.Errorf("not JSON: %w", err)
}

// numberedLine is a line of a file.
type numberedLine struct {
	number int
	end    int64  // how many bytes there are up to its end
	text   []byte // nil if it is too long; valid until the next line is read
}

// eachLine calls visit with every line that is not blank, until visit returns an error.
func eachLine(from io.Reader, visit func(numberedLine) error) error {
	r := bufio.NewReaderSize(from, maxLine)
	current := numberedLine{}
	for {
		text, err := r.ReadSlice('\n')
		current.number++
		current.end += int64(len(text))
		current.text = text
		for errors.Is(err, bufio.ErrBufferFull) {
			text, err = r.ReadSlice('\n')
			current.end += int64(len(text))
			current.text = nil
		}
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if current.text == nil || len(bytes.TrimSpace(current.text)) > 0 {
			if err := visit(current); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}
