// Package jsonscan reads JSON for a caller that knows what to expect: strictly, in place, without allocating. It serves the
// measured path of the original API alone; everything else uses a library.
//
// It refuses what is not JSON (RFC 8259), text that is not UTF-8, half surrogate pairs and deep nesting.
package jsonscan

import (
	"fmt"
	"unicode/utf8"

	"github.com/zarafa/presence/adapters/http/internal/problem"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 64

// Scanner reads JSON from a text. The first fault stops it: from then on its methods report false, and Fault says why. Strings are
// unescaped in place, so the text is changed. Begin with Open.
type Scanner struct {
	Text  []byte
	Pos   int
	Depth int
	Fault *problem.Error
}

// Open takes the opening brace of the object that the text must be, after making sure that the text is UTF-8.
func (s *Scanner) Open() bool {
	if at := invalidUTF8(s.Text); at >= 0 {
		s.Pos = at
		s.Fail("the text is not UTF-8")
		return false
	}
	switch c := s.Peek(); {
	case s.Pos == len(s.Text):
		s.Fault = problem.Malformed("the request has no body; expected a JSON object")
		return false
	case c != '{':
		return s.Wrong("#", "an object")
	}
	return s.Enter()
}

// Close makes sure that nothing follows the object.
func (s *Scanner) Close() {
	if s.Fault == nil && (s.Peek() != 0 || s.Pos < len(s.Text)) {
		s.Fail("something follows the object")
	}
}

// invalidUTF8 returns where text stops being UTF-8, or -1.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// Refuse records a fault of the document's form.
func (s *Scanner) Refuse(pointer, format string, args ...any) {
	if s.Fault == nil {
		s.Fault = problem.InBody(problem.ErrMalformed, pointer, fmt.Sprintf(format, args...))
	}
}

// Err returns the fault, if there is one.
func (s *Scanner) Err() error {
	if s.Fault == nil {
		return nil // not a nil *problem.Error
	}
	return s.Fault
}

// Wrong records that the next value is not what was expected, unless it is not even JSON. It reports false.
func (s *Scanner) Wrong(pointer, expected string) bool {
	if s.Skip() {
		s.Refuse(pointer, "must be %s", expected)
	}
	return false
}

// Fail records a fault of the JSON syntax at the current position.
func (s *Scanner) Fail(format string, args ...any) {
	if s.Fault == nil {
		s.Fault = problem.Malformed("not valid JSON at byte %d: %s", s.Pos, fmt.Sprintf(format, args...))
	}
}

// Peek skips white space and returns the byte that follows, or 0 at the end.
func (s *Scanner) Peek() byte {
	for s.Pos < len(s.Text) {
		switch c := s.Text[s.Pos]; c {
		case ' ', '\t', '\n', '\r':
			s.Pos++
		default:
			return c
		}
	}
	return 0
}

// Take skips white space and the given byte, which must follow.
func (s *Scanner) Take(c byte) bool {
	if s.Peek() != c {
		s.Fail("expected %q", c)
		return false
	}
	s.Pos++
	return true
}

// Member reads up to the value of the next member of an object whose opening brace was taken, and returns its name. It
// reports false at the end of the object, whose closing brace it takes, and on a fault.
func (s *Scanner) Member(first bool) (name []byte, ok bool) {
	c := s.Peek()
	if c == '}' {
		s.Pos++
		return nil, false
	}
	if !first {
		if !s.Take(',') {
			return nil, false
		}
		c = s.Peek()
	}
	if c != '"' {
		s.Fail("expected the name of a member, in double quotes")
		return nil, false
	}
	name, ok = s.Str()
	return name, ok && s.Take(':')
}

// Element reads up to the next element of an array whose opening bracket was taken. It reports false at the end of the
// array, whose closing bracket it takes, and on a fault.
func (s *Scanner) Element(first bool) bool {
	if s.Peek() == ']' {
		s.Pos++
		return false
	}
	if first {
		return true
	}
	if !s.Take(',') {
		return false
	}
	if s.Peek() == ']' {
		s.Fail("a comma before a closing bracket")
		return false
	}
	return true
}
