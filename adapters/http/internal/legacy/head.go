package legacy

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"github.com/zarafa/presence/adapters/http/internal/legacy/jsonscan"
)

// Head reads a request up to the list of users, without changing the text. It returns the token, and the rest of the text from the
// bracket that opens the list. It reports false unless the document begins in the usual way: with the token and the type, in
// any order, nothing else, and nothing that needs unescaping. That is no fault; Request reads all documents.
//
// Two texts with such heads and the same rest differ in nothing but the token: if one is without a fault, so is the other, and
// the users are the same.
func Head(text []byte) (token string, list []byte, ok bool) {
	end := bytes.IndexByte(text, '[')
	if end < 0 || !plain(text[:end]) {
		return "", nil, false
	}
	s := jsonscan.Scanner{Text: text[:end:end]}
	if s.Peek() != '{' {
		return "", nil, false
	}
	s.Pos++
	var seen uint8
	for first := true; ; first = false {
		name, ok := s.Member(first)
		if !ok {
			return "", nil, false
		}
		switch string(name) {
		case keyToken:
			value, ok := quoted(&s)
			if !ok || seen&seenToken != 0 {
				return "", nil, false
			}
			seen |= seenToken
			token = unsafe.String(unsafe.SliceData(value), len(value))
		case keyType:
			value, ok := quoted(&s)
			if !ok || seen&seenType != 0 || string(value) != typeUsers {
				return "", nil, false
			}
			seen |= seenType
		case keyUsers:
			if seen != seenToken|seenType || s.Peek() != 0 || s.Pos != end {
				return "", nil, false
			}
			return token, text[end:], true
		default:
			return "", nil, false
		}
	}
}

// quoted skips white space and reads a string, if one is next.
func quoted(s *jsonscan.Scanner) (value []byte, ok bool) {
	if s.Peek() != '"' {
		return nil, false
	}
	return s.Str()
}

// plain reports whether text is ASCII without escape sequences.
func plain(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return true
}
