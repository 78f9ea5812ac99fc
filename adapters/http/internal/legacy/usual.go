package legacy

import (
	"bytes"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/zarafa/presence/domain"
)

// scanner reads the usual form of a request, which is the measured path: in one pass, without allocating. It knows nothing but the marks of
// JSON and strings without escape sequences. Whatever it does not know is left to Request.any.
type scanner struct {
	rest   []byte
	failed bool // expect, name or value has met something else
}

// Head reads a request up to the list of users. It returns the token, and the rest of the text from the bracket that opens the list. It
// reports false unless the document begins in the usual way: with the token and the type, in any order, nothing else, and nothing
// that needs unescaping. That is no fault; Request reads all documents.
//
// Two texts with such heads and the same rest differ in nothing but the token: if one is without a fault, so is the other, and
// the users are the same.
func Head(text []byte) (token string, list []byte, ok bool) {
	s := scanner{rest: text}
	var kind string
	var hasToken, hasType bool
	for mark := byte('{'); s.take(mark); mark = ',' {
		name, ok := s.str()
		switch {
		case !ok || !s.take(':'):
			return "", nil, false
		case name == keyToken && !hasToken:
			token, hasToken = s.str()
		case name == keyType && !hasType:
			kind, hasType = s.str()
		case name == keyUsers && hasToken && kind == typeUsers && s.next() == '[':
			return token, s.rest, utf8.Valid(text[:len(text)-len(s.rest)])
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}

// usual reads a request whose entries begin with the user id; in a query nothing may follow it. It reports false if the request has another
// form.
func (r *Request) usual(text []byte) bool {
	token, list, ok := Head(text)
	if !ok || !utf8.Valid(list) {
		return false
	}
	s := scanner{rest: list}
	for mark := byte('['); s.take(mark); mark = ',' {
		user, ok := s.user()
		if !ok || len(r.Users) == MaxUsers {
			return false
		}
		r.Users = append(r.Users, user)
		if r.update && !r.usualUpdates(&s) || !s.take('}') {
			return false
		}
	}
	r.Token = token
	return s.take(']') && s.take('}') && s.next() == 0 && len(s.rest) == 0
}

// usualUpdates reads what follows the user id of an entry: for each protocol a status, and perhaps a message behind it.
func (r *Request) usualUpdates(s *scanner) bool {
	entry, begin := len(r.Users)-1, len(r.Updates)
	for s.take(',') {
		said := domain.Update{User: r.Users[entry], Protocol: s.name()}
		s.expect('{')
		usual := s.name() == keyStatus
		said.Status = s.value()
		if s.take(',') {
			usual = usual && s.name() == keyText
			said.Message = s.value()
		}
		s.expect('}')
		again := slices.ContainsFunc(r.Updates[begin:], func(u domain.Update) bool { return u.Protocol == said.Protocol })
		if s.failed || !usual || again || said.Protocol == keyUser || len(r.Updates)-begin == MaxProtocols {
			return false
		}
		r.Updates, r.entries = append(r.Updates, said), append(r.entries, int32(entry))
	}
	return true
}

// user reads the beginning of an entry, up to the end of the user id.
func (s *scanner) user() (user string, ok bool) {
	const begin = `{"` + keyUser + `":`
	if s.next() != '{' || !bytes.HasPrefix(s.rest, []byte(begin)) {
		return "", false
	}
	s.rest = s.rest[len(begin):]
	return s.str()
}

// next skips white space and returns the byte that follows, or 0 at the end.
func (s *scanner) next() byte {
	for i, c := range s.rest {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			s.rest = s.rest[i:]
			return c
		}
	}
	s.rest = nil
	return 0
}

// take skips white space and the given byte, if it follows.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// expect skips the given byte.
func (s *scanner) expect(c byte) { s.failed = !s.take(c) || s.failed }

// value reads a string.
func (s *scanner) value() string {
	value, ok := s.str()
	s.failed = !ok || s.failed
	return value
}

// name reads the name of a member.
func (s *scanner) name() string {
	name := s.value()
	s.expect(':')
	return name
}

// str reads a string without escape sequences, which is a part of the text.
func (s *scanner) str() (value string, ok bool) {
	if !s.take('"') {
		return "", false
	}
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 || slices.ContainsFunc(s.rest[:end], func(c byte) bool { return c == '\\' || c < ' ' }) {
		return "", false
	}
	value = unsafe.String(unsafe.SliceData(s.rest), end)
	s.rest = s.rest[end+1:]
	return value, true
}
