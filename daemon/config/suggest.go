package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
)

// unknownKey says that there is no such key at a path in a section, and which one may have been meant.
func (s *schema) unknownKey(section Section, config reflect.Type, path, key string) error {
	known := names(at(config, path))
	if section.Name == "" && path == "" {
		if k := s.key(key); k != nil { // http.listen in one word
			return errors.New("unknown key; write " + strings.TrimPrefix(k.Name, k.section+".") + ": indented under " + k.section + ":")
		}
		for _, other := range s.sections {
			known = append(known, other.Name)
		}
	}
	if near := nearest(key, known); near != "" {
		return errors.New("unknown key; did you mean " + join(join(section.Name, path), near) + "?")
	}
	for _, k := range s.keys {
		if k.section != section.Name && plain(strings.TrimPrefix(k.Name, k.section+".")) == plain(key) {
			return errors.New("unknown key; did you mean " + k.Name + "?")
		}
	}
	known = slices.DeleteFunc(known, func(key string) bool { return key == "" })
	return errors.New("unknown key; known here: " + strings.Join(known, ", "))
}

// maxWord is longer than any key: what is longer still is no misspelling, and would take long to compare.
const maxWord = 80

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
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// DidYouMean returns "; did you mean x?" for the candidate that word is likely a misspelling of, or nothing.
func DidYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
