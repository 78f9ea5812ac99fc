package jsonscan

import (
	"fmt"
	"strings"
)

// Pointer returns a JSON pointer, as a URI fragment (RFC 6901, section 6), to what the given path leads to.
func Pointer(path ...string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, name := range path {
		b.WriteByte('/')
		for i := range len(name) {
			switch c := name[i]; {
			case c == '~':
				b.WriteString("~0")
			case c == '/':
				b.WriteString("~1")
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._!$&'()*+,;=:@?", c) >= 0:
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	return b.String()
}
