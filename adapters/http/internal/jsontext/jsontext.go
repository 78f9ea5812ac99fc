// Package jsontext writes the inside of JSON strings, fast for what needs no escaping. The packages that render answers call it.
package jsontext

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
	"unsafe"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

const digits = "0123456789abcdef"

// Append appends s as the inside of a JSON string. Like encoding/json it escapes U+2028 and U+2029, which JavaScript of old
// takes for the end of a line, and replaces what is not UTF-8.
func Append(dst []byte, s string) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(s))[:n+len(s)]
	if copyPlain(dst[n:], s) {
		return dst
	}
	return appendEscaped(dst[:n], s)
}

// copyPlain copies s to dst, which is at least as long, and reports whether it is plain ASCII that needs no escaping. It does eight bytes at a
// time, the last eight overlapping those before.
func copyPlain(dst []byte, s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			c := s[i]
			if c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
				return false
			}
			dst[i] = c
		}
		return true
	}
	src := unsafe.Slice(unsafe.StringData(s), len(s))
	dst = dst[:len(src)]
	var found uint64
	for len(src) >= 16 {
		x := binary.LittleEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, x)
		found |= notPlain(x)
		src, dst = src[8:], dst[8:]
	}
	x, y := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[len(src)-8:])
	binary.LittleEndian.PutUint64(dst, x)
	binary.LittleEndian.PutUint64(dst[len(dst)-8:], y)
	return (found|notPlain(x)|notPlain(y))&highs == 0
}

// notPlain has a high bit set if any byte in x is not ASCII, or would have to be escaped.
func notPlain(x uint64) uint64 {
	return x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)
}

// appendEscaped is Append for what may need escaping.
func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ', r == '\u2028', r == '\u2029', r == utf8.RuneError && size == 1:
			dst = append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return dst
}
