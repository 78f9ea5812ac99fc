package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxUserID is the longest user id, in bytes: a mail address' 64 for the account (RFC 5321, 4.5.3.1.1), an @, and a host
// name's 255.
const MaxUserID = 320

// UserID names a person as account@domain, the same in every protocol, in one of the spellings that mean the same user (see sameSpelling).
// Make it with ParseUserID; the zero value names nobody.
type UserID string

// ParseUserID checks s and makes one spelling of all that mean the same user. It allocates only if there is something else in s than lower-case
// ASCII; otherwise the result shares memory with s. Any fault is an ErrInvalidUser that names s.
func ParseUserID(s string) (UserID, error) {
	if isPlainUserID(s) {
		return UserID(s), nil
	}
	if reason := userIDFault(s); reason != "" {
		return "", fmt.Errorf("%w %s: %s", ErrInvalidUser, quote(s), reason)
	}
	folded := strings.ToLower(s)
	if reason := userIDFault(folded); reason != "" { // folding can lengthen a text
		return "", fmt.Errorf("%w %s: %s", ErrInvalidUser, quote(s), reason)
	}
	if isASCII(folded) && !strings.Contains(folded, "--") { // there is no other spelling
		return UserID(folded), nil
	}
	return UserID(sameSpelling(folded)), nil
}

// CheckUserIDs returns nil, or Problems that name every malformed id by its place.
func CheckUserIDs(ids []string) error {
	var problems Problems
	for i, id := range ids {
		if _, err := ParseUserID(id); err != nil {
			problems = append(problems, Problem{Index: i, Field: FieldUser, Err: err})
		}
	}
	return problems.OrNil()
}

// ParseSignedIn is ParseUserID for the name of whoever has signed in elsewhere, where two names can be two people that mean the same user here. What has a
// letter that only looks like those of ASCII (the ligature fi, the long s) is refused, for somebody may have registered it to be taken for another one. The ß
// is not: people have it in their names.
func ParseSignedIn(s string) (UserID, error) {
	user, err := ParseUserID(s)
	if err != nil || isASCII(s) {
		return user, err
	}
	account, _, _ := strings.Cut(s, "@")
	for _, letter := range account {
		if letter >= utf8.RuneSelf && letter != 'ß' && letter != 'ẞ' && isASCII(spell(string(letter)+"@example.test")) {
			return "", fmt.Errorf("%w %s: %q looks like another letter", ErrInvalidUser, quote(s), letter)
		}
	}
	return user, nil
}

// KeptUserID takes an id as it is kept: ParseUserID has made it, perhaps that of an earlier version, which saw two users where this one sees two
// spellings of one. Any fault is an ErrInvalidUser that names s.
func KeptUserID(s string) (UserID, error) {
	if !isPlainUserID(s) {
		if reason := userIDFault(s); reason != "" {
			return "", fmt.Errorf("%w %s: %s", ErrInvalidUser, quote(s), reason)
		}
	}
	return UserID(s), nil
}

// NewUserID is ParseUserID(account + "@" + host), without letting an @ in the account pass for the separator.
func NewUserID(account, host string) (UserID, error) {
	return ParseUserID(account + "@" + host)
}

// Split returns the two sides of the @. Both are empty for the zero value.
func (u UserID) Split() (account, host string) {
	account, host, _ = strings.Cut(string(u), "@")
	return account, host
}

// plainUserIDByte marks the bytes that most ids consist of: lower-case ASCII, digits, and the usual punctuation.
var plainUserIDByte = func() (plain [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789-_+.") {
		plain[c] = true
	}
	return plain
}()

// isPlainUserID is the quick way for the usual id. What it does not accept is not wrong, only to be looked at closely.
func isPlainUserID(s string) bool {
	if len(s) < 3 || len(s) > MaxUserID {
		return false
	}
	at, last := -1, byte('.')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '@' {
			if at >= 0 || i == 0 {
				return false
			}
			at = i
		} else if !plainUserIDByte[c] || c == '-' && last == '-' && at >= 0 { // xn--bcher-kva is another spelling of bücher
			return false
		}
		if at >= 0 && c == '.' && (last == '.' || last == '@') {
			return false
		}
		last = c
	}
	return at > 0 && last != '@' && last != '.'
}

// userIDFault returns what is wrong with s, or nothing.
func userIDFault(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > MaxUserID:
		return fmt.Sprintf("it is longer than %d bytes", MaxUserID)
	case !utf8.ValidString(s):
		return "it is not valid UTF-8"
	}
	for _, r := range s {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`"/<>\`, r) || isDisguise(r) {
			return fmt.Sprintf("it contains %q", r)
		}
	}
	account, host, found := strings.Cut(s, "@")
	switch {
	case !found:
		return "it has no @: an id is account@domain"
	case account == "":
		return "the account before the @ is empty"
	case host == "":
		return "the domain after the @ is empty"
	case strings.Contains(host, "@"):
		return "it has more than one @"
	case strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, ".."):
		return "its domain has an empty label"
	}
	return ""
}

// isDisguise reports whether a letter would make one user's id look like another's: it cannot be seen, or folding its case makes
// an ASCII letter of it, as of the Kelvin sign.
func isDisguise(r rune) bool {
	const brailleBlank = '\u2800'
	return r >= utf8.RuneSelf && (unicode.ToLower(r) < utf8.RuneSelf || r == brailleBlank ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
}
