package respond

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendString appends s as a JSON string. Like encoding/json it escapes U+2028 and U+2029, which JavaScript of old takes for the end of a line,
// and replaces what is not UTF-8.
func AppendString(dst []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	begin := len(dst)
	dst, _ = jsontext.AppendQuote(dst, s) // the error is for what it has replaced
	if strings.Contains(s, "\u2028") || strings.Contains(s, "\u2029") {
		dst = append(dst[:begin], lineEnds.Replace(string(dst[begin:]))...)
	}
	return dst
}

var lineEnds = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`)

// isPlain reports whether s is ASCII that needs no escaping, as most texts are.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
