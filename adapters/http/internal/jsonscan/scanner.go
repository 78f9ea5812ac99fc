// Package jsonscan reads JSON documents of which a reader knows what is to be in them: strict, in place, without allocating. The packages that
// read requests call it.
//
// Nothing general is both strict and quick enough: it refuses what is not JSON (RFC 8259), text that is not UTF-8, half surrogate pairs and
// deep nesting.
package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 64

// Fault says what is wrong with the form of a document. It is an error.
type Fault struct {
	Pointer string // to the faulty place: a JSON pointer as a URI fragment (RFC 6901, section 6); empty if the text is not JSON
	Detail  string
	TooMany bool // there are more entries than are allowed
}

// Error returns the detail and where it is.
func (f *Fault) Error() string {
	if f.Pointer == "" {
		return f.Detail
	}
	return f.Pointer + " " + f.Detail
}

// Scanner reads JSON from a text. The first fault stops it: from then on its methods report false, and Fault says why. Strings are
// unescaped in place, so the text is changed. Begin with Open.
type Scanner struct {
	Text  []byte
	Pos   int
	Depth int
	Fault *Fault
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
		s.Fault = &Fault{Detail: "the request has no body; expected a JSON object"}
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
		s.Fault = &Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)}
	}
}

// Err returns the fault, if there is one.
func (s *Scanner) Err() error {
	if s.Fault == nil {
		return nil // not a nil *Fault
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
		s.Fault = &Fault{Detail: fmt.Sprintf("not valid JSON at byte %d: ", s.Pos) + fmt.Sprintf(format, args...)}
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

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Special returns the index in text, from i on, of the first byte that ends a plain run of a JSON string: a quotation mark, a
// backslash or a control character; or len(text). It looks at eight bytes at a time.
func Special(text []byte, i int) int {
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

// Str reads a string, whose opening quotation mark is next. The result is a part of the text.
func (s *Scanner) Str() (value []byte, ok bool) {
	start := s.Pos + 1
	end := Special(s.Text, start)
	s.Pos = end
	if end < len(s.Text) && s.Text[end] == '"' {
		s.Pos++
		return s.Text[start:end:end], true
	}
	for to := end; ; {
		if s.Pos == len(s.Text) {
			s.Fail("a string without an end")
			return nil, false
		}
		switch c := s.Text[s.Pos]; {
		case c == '"':
			s.Pos++
			return s.Text[start:to:to], true
		case c != '\\':
			s.Fail("the control character %q in a string must be escaped", c)
			return nil, false
		}
		var r rune
		if r, ok = s.escape(); !ok {
			return nil, false
		}
		to = len(utf8.AppendRune(s.Text[:to], r)) // in place: an escape is longer than what it stands for
		run := Special(s.Text, s.Pos)
		to += copy(s.Text[to:], s.Text[s.Pos:run])
		s.Pos = run
	}
}

// escape reads an escape sequence, or two of them that make a surrogate pair.
func (s *Scanner) escape() (rune, bool) {
	if s.Pos+1 >= len(s.Text) {
		s.Fail("a string without an end")
		return 0, false
	}
	c := s.Text[s.Pos+1]
	if c == 'u' {
		return s.unicode()
	}
	at := [...]string{`"\/bfnrt`, "\"\\/\b\f\n\r\t"}
	for i := range len(at[0]) {
		if at[0][i] == c {
			s.Pos += 2
			return rune(at[1][i]), true
		}
	}
	s.Fail("an unknown escape sequence")
	return 0, false
}

// unicode reads \u and four hexadecimal digits. A surrogate without its partner is refused: it is no character, so it could only be replaced silently.
func (s *Scanner) unicode() (rune, bool) {
	r, ok := s.hex(s.Pos)
	if !ok {
		s.Fail(`\u must be followed by four hexadecimal digits`)
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		s.Pos += 6
		return r, true
	}
	low, ok := s.hex(s.Pos + 6)
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		s.Fail("half of a surrogate pair")
		return 0, false
	}
	s.Pos += 12
	return r, true
}

// hex returns the value of the \u and its four digits at the given position, if there is one.
func (s *Scanner) hex(at int) (r rune, ok bool) {
	if at+6 > len(s.Text) || s.Text[at] != '\\' || s.Text[at+1] != 'u' {
		return 0, false
	}
	for _, c := range s.Text[at+2 : at+6] {
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

// Skip reads a value of any kind and forgets it.
func (s *Scanner) Skip() bool {
	switch c := s.Peek(); {
	case c == '{':
		return s.skipObject()
	case c == '[':
		return s.skipArray()
	case c == '"':
		_, ok := s.Str()
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
	s.Fail("expected a value")
	return false
}

// Enter takes the opening byte of an object or array.
func (s *Scanner) Enter() bool {
	if s.Depth == MaxDepth {
		s.Fail("nested more than %d deep", MaxDepth)
		return false
	}
	s.Depth++
	s.Pos++
	return true
}

func (s *Scanner) skipObject() bool {
	if !s.Enter() {
		return false
	}
	for first := true; ; first = false {
		if _, ok := s.Member(first); !ok {
			break
		}
		if !s.Skip() {
			return false
		}
	}
	s.Depth--
	return s.Fault == nil
}

func (s *Scanner) skipArray() bool {
	if !s.Enter() {
		return false
	}
	for first := true; s.Element(first); first = false {
		if !s.Skip() {
			return false
		}
	}
	s.Depth--
	return s.Fault == nil
}

func (s *Scanner) word(word string) bool {
	if len(s.Text)-s.Pos < len(word) || string(s.Text[s.Pos:s.Pos+len(word)]) != word {
		s.Fail("expected a value")
		return false
	}
	s.Pos += len(word)
	return true
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number() bool {
	s.optional("-")
	whole := s.Pos
	ok := s.digits() && (s.Text[whole] != '0' || s.Pos == whole+1)
	if ok && s.optional(".") {
		ok = s.digits()
	}
	if ok && s.optional("eE") {
		s.optional("+-")
		ok = s.digits()
	}
	if !ok {
		s.Fail("a malformed number")
	}
	return ok
}

// optional takes the next byte if it is one of set.
func (s *Scanner) optional(set string) bool {
	if s.Pos == len(s.Text) {
		return false
	}
	for i := range len(set) {
		if s.Text[s.Pos] == set[i] {
			s.Pos++
			return true
		}
	}
	return false
}

// digits takes at least one digit.
func (s *Scanner) digits() bool {
	start := s.Pos
	for s.Pos < len(s.Text) && s.Text[s.Pos] >= '0' && s.Text[s.Pos] <= '9' {
		s.Pos++
	}
	return s.Pos > start
}
