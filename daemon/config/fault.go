package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with the configuration. Load and Validate join them with errors.Join.
type Fault struct {
	Where string // file:line, environment variable, or flag; empty if it is the default or nothing at all
	Key   string // the key as it was written there; empty if the fault is no single key's
	Err   error  // why, and what was expected. Never contains a secret.
}

// Error names the place, the key and the reason, on one line.
func (f Fault) Error() string {
	text := strings.ReplaceAll(f.Err.Error(), "\n", "; ")
	if key := quote(f.Key); key != `"`+f.Key+`"` {
		text = key + ": " + text // somebody has not meant it to be one
	} else if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Where != "" {
		text = f.Where + ": " + text
	}
	return text
}

// Unwrap returns the reason.
func (f Fault) Unwrap() error { return f.Err }

func faultf(where, key, format string, args ...any) error {
	return Fault{where, key, fmt.Errorf(format, args...)}
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}

// maxWord is longer than any key: what is longer still is no misspelling, and would take long to compare.
const maxWord = 80

// DidYouMean returns "; did you mean x?" for the candidate that word is likely a misspelling of, or nothing.
func DidYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearest returns the candidate that differs from word by a slip or two of the keyboard, or nothing.
func nearest(word string, candidates []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, found := len(word)/3+1, "" // more slips than that make another word
	for _, candidate := range candidates {
		if d := distance(plain(word), plain(candidate)); d < best {
			best, found = d, candidate
		}
	}
	return found
}

// plain takes away what is easily confused in names.
func plain(name string) string {
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
