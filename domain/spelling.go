package domain

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// sameSpelling returns the one spelling of an id, which is valid and in lower case, that stands for all that mean the same user: those that are
// equal after Unicode case folding, NFC and, for the domain, IDNA's mapping, which also decodes Punycode (UTS 46). A domain stays as it is if IDNA
// refuses it, or if the result would not be valid.
func sameSpelling(id string) string {
	same := spell(id)
	if userIDFault(same) != "" || spell(strings.ToLower(same)) != same {
		return id
	}
	return same
}

// spell applies the mappings until they change nothing any more.
func spell(id string) string {
	const rounds = 4 // two are enough for all but what was made to need more
	for range rounds {
		account, host, _ := strings.Cut(norm.NFC.String(cases.Fold().String(norm.NFC.String(id))), "@")
		if mapped, err := idna.Lookup.ToUnicode(host); err == nil && userIDFault(account+"@"+mapped) == "" {
			host = mapped
		}
		next := account + "@" + host
		if next == id {
			break
		}
		id = next
	}
	return id
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
