// Package suggest finds the name that somebody has misspelled: a key, a flag, a command or a protocol.
package suggest

import "strings"

// DidYouMean returns "; did you mean x?" for the candidate that differs least from word, by at most three slips of the keyboard, or nothing.
func DidYouMean(word string, candidates []string) string {
	most := min(len(word[strings.LastIndexByte(word, '.')+1:])/3, 3) // more slips make another word
	for slips := range most + 1 {
		for _, candidate := range candidates {
			if within(slips, Plain(word), Plain(candidate)) {
				return "; did you mean " + candidate + "?"
			}
		}
	}
	return ""
}

// Plain takes away what is easily confused in names.
func Plain(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// within reports whether so many slips turn a into b: a letter too many, too few, wrong, or two exchanged.
func within(slips int, a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if slips == 0 || a == "" || b == "" {
		return len(a)+len(b) <= slips
	}
	return within(slips-1, a[1:], b) || within(slips-1, a, b[1:]) || within(slips-1, a[1:], b[1:]) ||
		len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && within(slips-1, a[2:], b[2:])
}
