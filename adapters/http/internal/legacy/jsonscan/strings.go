package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

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
