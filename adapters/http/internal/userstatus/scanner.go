package userstatus

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 64

// scanner reads JSON (RFC 8259) from a text that is known to be valid UTF-8. The first fault stops it: from then on its methods
// report false, and fault says why. Strings are unescaped in place, so the text is changed.
type scanner struct {
	text  []byte
	pos   int
	depth int
	fault *Fault
}

// fail records a fault of the JSON syntax at the current position.
func (s *scanner) fail(format string, args ...any) {
	if s.fault == nil {
		s.fault = &Fault{Detail: fmt.Sprintf("not valid JSON at byte %d: ", s.pos) + fmt.Sprintf(format, args...)}
	}
}

// peek skips white space and returns the byte that follows, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the given byte, which must follow.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		s.fail("expected %q", c)
		return false
	}
	s.pos++
	return true
}

// member reads up to the value of the next member of an object whose opening brace was taken, and returns its name. It
// reports false at the end of the object, whose closing brace it takes, and on a fault.
func (s *scanner) member(first bool) (name []byte, ok bool) {
	c := s.peek()
	if c == '}' {
		s.pos++
		return nil, false
	}
	if !first {
		if !s.take(',') {
			return nil, false
		}
		c = s.peek()
	}
	if c != '"' {
		s.fail("expected the name of a member, in double quotes")
		return nil, false
	}
	name, ok = s.str()
	return name, ok && s.take(':')
}

// element reads up to the next element of an array whose opening bracket was taken. It reports false at the end of the
// array, whose closing bracket it takes, and on a fault.
func (s *scanner) element(first bool) bool {
	if s.peek() == ']' {
		s.pos++
		return false
	}
	if first {
		return true
	}
	if !s.take(',') {
		return false
	}
	if s.peek() == ']' {
		s.fail("a comma before a closing bracket")
		return false
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns the index in text, from i on, of the first byte that ends a plain run of a JSON string: a quotation mark, a
// backslash or a control character; or len(text). It looks at eight bytes at a time.
func special(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		found := ((x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) &^ x & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// str reads a string, whose opening quotation mark is next. The result is a part of the text.
func (s *scanner) str() (value []byte, ok bool) {
	start := s.pos + 1
	end := special(s.text, start)
	s.pos = end
	if end < len(s.text) && s.text[end] == '"' {
		s.pos++
		return s.text[start:end:end], true
	}
	for to := end; ; {
		if s.pos == len(s.text) {
			s.fail("a string without an end")
			return nil, false
		}
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return s.text[start:to:to], true
		case c != '\\':
			s.fail("the control character %q in a string must be escaped", c)
			return nil, false
		}
		var r rune
		if r, ok = s.escape(); !ok {
			return nil, false
		}
		to = len(utf8.AppendRune(s.text[:to], r)) // in place: an escape is longer than what it stands for
		run := special(s.text, s.pos)
		to += copy(s.text[to:], s.text[s.pos:run])
		s.pos = run
	}
}

// escape reads an escape sequence, or two of them that make a surrogate pair.
func (s *scanner) escape() (rune, bool) {
	if s.pos+1 >= len(s.text) {
		s.fail("a string without an end")
		return 0, false
	}
	c := s.text[s.pos+1]
	if c == 'u' {
		return s.unicode()
	}
	at := [...]string{`"\/bfnrt`, "\"\\/\b\f\n\r\t"}
	for i := range len(at[0]) {
		if at[0][i] == c {
			s.pos += 2
			return rune(at[1][i]), true
		}
	}
	s.fail("an unknown escape sequence")
	return 0, false
}

// unicode reads \u and four hexadecimal digits. A surrogate without its partner is refused: it is no character, so it could only be replaced silently.
func (s *scanner) unicode() (rune, bool) {
	r, ok := s.hex(s.pos)
	if !ok {
		s.fail(`\u must be followed by four hexadecimal digits`)
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		s.pos += 6
		return r, true
	}
	low, ok := s.hex(s.pos + 6)
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		s.fail("half of a surrogate pair")
		return 0, false
	}
	s.pos += 12
	return r, true
}

// hex returns the value of the \u and its four digits at the given position, if there is one.
func (s *scanner) hex(at int) (r rune, ok bool) {
	if at+6 > len(s.text) || s.text[at] != '\\' || s.text[at+1] != 'u' {
		return 0, false
	}
	for _, c := range s.text[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skip reads a value of any kind and forgets it.
func (s *scanner) skip() bool {
	switch c := s.peek(); {
	case c == '{':
		return s.skipObject()
	case c == '[':
		return s.skipArray()
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	s.fail("expected a value")
	return false
}

// enter takes the opening byte of an object or array.
func (s *scanner) enter() bool {
	if s.depth == MaxDepth {
		s.fail("nested more than %d deep", MaxDepth)
		return false
	}
	s.depth++
	s.pos++
	return true
}

func (s *scanner) skipObject() bool {
	if !s.enter() {
		return false
	}
	for first := true; ; first = false {
		if _, ok := s.member(first); !ok {
			break
		}
		if !s.skip() {
			return false
		}
	}
	s.depth--
	return s.fault == nil
}

func (s *scanner) skipArray() bool {
	if !s.enter() {
		return false
	}
	for first := true; s.element(first); first = false {
		if !s.skip() {
			return false
		}
	}
	s.depth--
	return s.fault == nil
}

func (s *scanner) word(word string) bool {
	if len(s.text)-s.pos < len(word) || string(s.text[s.pos:s.pos+len(word)]) != word {
		s.fail("expected a value")
		return false
	}
	s.pos += len(word)
	return true
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() bool {
	s.optional("-")
	whole := s.pos
	ok := s.digits() && (s.text[whole] != '0' || s.pos == whole+1)
	if ok && s.optional(".") {
		ok = s.digits()
	}
	if ok && s.optional("eE") {
		s.optional("+-")
		ok = s.digits()
	}
	if !ok {
		s.fail("a malformed number")
	}
	return ok
}

// optional takes the next byte if it is one of set.
func (s *scanner) optional(set string) bool {
	if s.pos == len(s.text) {
		return false
	}
	for i := range len(set) {
		if s.text[s.pos] == set[i] {
			s.pos++
			return true
		}
	}
	return false
}

// digits takes at least one digit.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
