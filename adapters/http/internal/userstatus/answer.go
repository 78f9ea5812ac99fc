package userstatus

import (
	"encoding/binary"
	"io"
	"unicode/utf8"

	"github.com/zarafa/presence/domain"
)

const (
	answerBegin = `{"Type":"` + typeUsers + `","` + keyUsers + `":[`
	answerEnd   = `]}`
	entryBegin  = `{"` + keyUser + `":`
)

// Answer is what was found out about users. It may be used concurrently.
type Answer struct {
	Users []string           // as they were asked
	Found []domain.Presences // what is known of each of them now
}

// Estimate returns about how many bytes the answer will have: never more than that, unless something in it must be escaped.
func (a Answer) Estimate() int {
	size := len(answerBegin) + len(answerEnd)
	for i, user := range a.Users {
		size += len(`{"user_id":"",}`) + len(user)
		for j := range a.Found[i] {
			p := &a.Found[i][j]
			size += len(`,"":{"status":"unavailable","message":""}`) + len(p.Protocol) + len(p.Message)
		}
	}
	return size
}

// Append appends the whole answer to dst.
func (a Answer) Append(dst []byte) []byte {
	dst = append(dst, answerBegin...)
	for i := range a.Users {
		dst = a.appendEntry(dst, i)
	}
	return append(dst, answerEnd...)
}

// appendEntry appends the i-th entry, and the comma before it.
func (a Answer) appendEntry(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, entryBegin...)
	dst = appendString(dst, a.Users[i])
	for j := range a.Found[i] {
		p := &a.Found[i][j]
		dst = append(dst, `,"`...)
		dst = append(dst, p.Protocol...)
		dst = append(dst, statusText(p.Status)...)
		dst = appendString(dst, p.Message)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// statusText is the middle of an entry: from the end of the protocol's name to the beginning of the message.
func statusText(status domain.Status) string {
	switch status {
	case domain.Available:
		return `":{"status":"available","message":`
	case domain.Busy:
		return `":{"status":"busy","message":`
	case domain.Away:
		return `":{"status":"away","message":`
	case domain.Unavailable:
	}
	return `":{"status":"unavailable","message":`
}

// piece is how much of a large answer is in memory at a time, give or take an entry.
const piece = 64 << 10

// Size returns exactly how many bytes the answer has, by writing it to nowhere.
func (a Answer) Size() int64 {
	n, _ := a.WriteTo(io.Discard) // which takes everything
	return n
}

// WriteTo writes the answer piece by piece, for one that is too large to be held in memory.
func (a Answer) WriteTo(w io.Writer) (written int64, err error) {
	buffer := append(make([]byte, 0, piece+piece/4), answerBegin...)
	for i := range a.Users {
		buffer = a.appendEntry(buffer, i)
		if len(buffer) < piece {
			continue
		}
		n, err := w.Write(buffer)
		written += int64(n)
		if err != nil {
			return written, err
		}
		buffer = buffer[:0]
	}
	n, err := w.Write(append(buffer, answerEnd...))
	return written + int64(n), err
}

const digits = "0123456789abcdef"

// appendString appends s as a JSON string. Like encoding/json it escapes U+2028 and U+2029, which JavaScript of old takes for
// the end of a line, and replaces what is not UTF-8.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	if plain(dst[len(dst)-len(s):]) {
		return append(dst, '"')
	}
	return appendEscaped(dst[:len(dst)-len(s)], s)
}

// plain reports whether text needs no escaping, and no closer look.
func plain(text []byte) bool {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		if (x|(x-ones*' ')|((x^ones*'"')-ones)|((x^ones*'\\')-ones))&highs != 0 {
			return false
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendEscaped appends s, whose opening quotation mark is in dst already.
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
	return append(dst, '"')
}
