package config

import "strings"

// unknownKey says that there is no such key under a section (or at the top level), and which one may have been meant.
func (s *schema) unknownKey(section, key string) string {
	if section == "" && s.byName[key] != nil { // http.listen in one word
		l := s.byName[key]
		return "unknown key; write " + l.key + ": indented under " + l.section + ":"
	}
	if near := nearest(key, s.below(section)); near != "" {
		if section != "" {
			near = section + "." + near
		}
		return "unknown key; did you mean " + near + "?"
	}
	for _, l := range s.leaves {
		if l.section != section && plain(l.key) == plain(key) {
			return "unknown key; did you mean " + l.name + "?"
		}
	}
	return "unknown key; known here: " + strings.Join(s.below(section), ", ")
}

// nearest returns the candidate that differs from word by a slip or two of the keyboard, or nothing.
func nearest(word string, candidates []string) string {
	best, found := len(word)/3+1, ""
	for _, candidate := range candidates {
		if d := distance(plain(word), plain(candidate)); d < best || d == best && found == "" && d < len(candidate)/2+1 {
			best, found = d, candidate
		}
	}
	return found
}

// plain takes away what is easily confused in names.
func plain(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// distance is the number of insertions, deletions and substitutions that turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// DidYouMean returns "; did you mean x?" for the candidate that word is likely a misspelling of, or nothing.
func DidYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
