package legacy

import (
	"bytes"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// scanner reads the usual form of a query, which is the measured path: in one pass, without allocating. It knows nothing but the marks of
// JSON and strings without escape sequences. Whatever it does not know is left to Request.read.
type scanner struct{ rest []byte }

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

// usual reads a query whose entries are nothing but user ids. It reports false if the query has another form.
func (r *Request) usual(text []byte) bool {
	token, list, ok := Head(text)
	if !ok || !utf8.Valid(list) {
		return false
	}
	s := scanner{rest: list}
	for mark := byte('['); s.take(mark); mark = ',' {
		user, ok := s.entry()
		if !ok || len(r.Users) == MaxUsers {
			return false
		}
		r.Users = append(r.Users, user)
	}
	r.Token = token
	return s.take(']') && s.take('}') && s.next() == 0 && len(s.rest) == 0
}

// entry reads an entry that is nothing but a user id.
func (s *scanner) entry() (user string, ok bool) {
	const begin = `{"` + keyUser + `":`
	if s.next() != '{' || !bytes.HasPrefix(s.rest, []byte(begin)) {
		return "", false
	}
	s.rest = s.rest[len(begin):]
	user, ok = s.str()
	return user, ok && s.take('}')
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
