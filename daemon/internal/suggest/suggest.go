// Package suggest finds the name that somebody has misspelled: a key, a flag, a command or a protocol.
package suggest

import "strings"

// DidYouMean returns "; did you mean x?" for the candidate that differs from word by a slip or two of the keyboard, or nothing.
func DidYouMean(word string, candidates []string) string {
	if len(word) > 160 { // longer than any key, and it would take long to compare
		return ""
	}
	best, found := len(word[strings.LastIndexByte(word, '.')+1:])/3+1, "" // more slips than that make another word
	for _, candidate := range candidates {
		if d := distance(Plain(word), Plain(candidate)); d < best {
			best, found = d, "; did you mean "+candidate+"?"
		}
	}
	return found
}

// Plain takes away what is easily confused in names.
func Plain(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// distance is the number of slips that turn a into b: a letter too many, too few, wrong, or two exchanged (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j], rows[i][j-1], rows[i-1][j-1])
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}
