package domain

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrInvalidIdentity is wrapped by what is wrong with an Identity.
var ErrInvalidIdentity = errors.New("invalid identity")

var errTwice = errors.New("the user is there twice")

// Identity is a record of what a user is called on protocols whose names are no user ids: an extension, a nick, a calendar's address.
//
// User and the names can have placeholders: {number} stands for digits, {name} for anything but @, / and white space, once each. Then the record is
// a pattern: it says who everybody is whose name has its form.
type Identity struct {
	User        string // a user id
	DisplayName string // empty: none
	Groups      []string
	TimeZone    string              // by its IANA name; empty: the machine's
	Names       map[string][]string // by protocol
}

// Name is a name of a user on a protocol.
type Name struct {
	Text string
	User UserID
}

// Unmapped is a name on a protocol that nobody has, and how often a source has asked for it.
type Unmapped struct {
	Protocol Protocol
	Name     string
	Times    int
}

// Identities is a table of records. It is immutable and may be used concurrently; a nil one is empty. Names are compared without regard to case.
type Identities struct {
	users    map[UserID]*Identity
	names    map[foreignName]UserID
	listed   map[string][]Name // the names that are no patterns, by protocol
	patterns []namePattern
	forms    []userPattern
	groups   map[string]*Group
	named    bool // there is a display name
	size     int
}

// userPattern says whose record a pattern is.
type userPattern struct {
	form     *regexp.Regexp
	identity *Identity
}

type foreignName struct{ protocol, text string }

// namePattern says who has the names of a form.
type namePattern struct {
	protocol string
	form     *regexp.Regexp // whose groups have the placeholders' names
	user     string
}

// IdentityFault is what is wrong with a record.
type IdentityFault struct {
	Index int    // of the record, counted from 0
	User  string // whose it is, as it says itself
	Err   error  // wraps ErrInvalidIdentity
}

// IdentityFaults is the error of records that are no table. It has every fault, in the order of the records.
type IdentityFaults []IdentityFault

// Error has a line for each fault.
func (f IdentityFaults) Error() string { return errors.Join(f.Unwrap()...).Error() }

// Unwrap makes errors.Is find the reasons.
func (f IdentityFaults) Unwrap() []error {
	all := make([]error, len(f))
	for i := range f {
		all[i] = f[i].Err
	}
	return all
}

// NewIdentities checks records and makes a table of them. The error is IdentityFaults.
func NewIdentities(records []Identity) (*Identities, error) {
	d := &Identities{
		users: make(map[UserID]*Identity), names: make(map[foreignName]UserID), listed: make(map[string][]Name), groups: make(map[string]*Group), size: len(records),
	}
	var faults IdentityFaults
	for i := range records {
		for _, fault := range d.add(&records[i]) {
			faults = append(faults, IdentityFault{i, records[i].User, fmt.Errorf("%w: %w", ErrInvalidIdentity, fault)})
		}
	}
	d.sortGroups()
	for _, names := range d.listed {
		slices.SortFunc(names, func(a, b Name) int { return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Text, b.Text)) })
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return d, nil
}

// add adds a record, and returns what is wrong with it.
func (d *Identities) add(record *Identity) (faults []error) {
	id := placeholders.ReplaceAllString(record.User, "1")
	user, err := ParseUserID(id)
	if err != nil {
		return []error{err}
	}
	isPattern := id != record.User
	if isPattern {
		form, err := formOf(strings.ToLower(record.User))
		if err != nil {
			return []error{err}
		}
		if slices.ContainsFunc(d.forms, func(other userPattern) bool { return other.form.String() == form.String() }) {
			return []error{errTwice}
		}
		d.forms = append(d.forms, userPattern{form, record})
	} else if d.users[user] != nil {
		return []error{errTwice}
	} else {
		d.users[user] = record
	}
	d.named = d.named || record.DisplayName != ""
	faults = d.addGroups(record, user, isPattern)
	for _, protocol := range slices.Sorted(maps.Keys(record.Names)) { // in an order, so that the same faults are always told alike
		if _, err := ParseProtocol(protocol); err != nil {
			faults = append(faults, err)
			continue
		}
		for _, name := range record.Names[protocol] {
			if err := d.addName(record, protocol, name, user, isPattern); err != nil {
				faults = append(faults, fmt.Errorf("%s %s: %w", protocol, quote(name), err))
			}
		}
	}
	return faults
}

func (d *Identities) addName(record *Identity, protocol, name string, user UserID, isPattern bool) error {
	text := strings.ToLower(strings.TrimSpace(name))
	switch key := (foreignName{protocol, text}); {
	case text == "":
		return errors.New("it is empty")
	case isPattern:
		form, err := formOf(text)
		if err != nil {
			return err
		}
		if !slices.Equal(placeholdersOf(text), placeholdersOf(record.User)) {
			return errors.New("it must have the same placeholders as the user")
		}
		for i := range d.patterns {
			if other := &d.patterns[i]; other.protocol == protocol && other.form.String() == form.String() {
				return fmt.Errorf("it is a name of %s already", other.user)
			}
		}
		d.patterns = append(d.patterns, namePattern{protocol, form, strings.ToLower(record.User)})
	case placeholders.MatchString(text):
		return errors.New("it has a placeholder that the user has not")
	case d.names[key] != "":
		return fmt.Errorf("it is a name of %s already", d.names[key])
	default:
		d.names[key] = user
		d.listed[protocol] = append(d.listed[protocol], Name{strings.TrimSpace(name), user})
	}
	return nil
}

var (
	placeholders = regexp.MustCompile(`\{[^{}]*\}`)
	forms        = map[string]string{"{number}": `(?P<number>[0-9]+)`, "{name}": `(?P<name>[^@/\s]+)`}
)

// formOf makes an expression of a text with placeholders. Matching it takes time in proportion to the name (regexp is RE2).
func formOf(text string) (*regexp.Regexp, error) {
	var form strings.Builder
	form.WriteString("^")
	seen := make(map[string]bool)
	for rest := text; ; {
		at := placeholders.FindStringIndex(rest)
		if at == nil {
			form.WriteString(regexp.QuoteMeta(rest) + "$")
			return regexp.MustCompile(form.String()), nil
		}
		placeholder := rest[at[0]:at[1]]
		switch expression, known := forms[placeholder]; {
		case !known:
			return nil, fmt.Errorf("%s is no placeholder: there are {number} and {name}", quote(placeholder))
		case seen[placeholder]:
			return nil, fmt.Errorf("%s is there twice", placeholder)
		default:
			form.WriteString(regexp.QuoteMeta(rest[:at[0]]) + expression)
		}
		seen[placeholder] = true
		rest = rest[at[1]:]
	}
}

// placeholdersOf lists the placeholders in a text, in alphabetical order.
func placeholdersOf(text string) []string {
	found := placeholders.FindAllString(strings.ToLower(text), -1)
	slices.Sort(found)
	return found
}

// User returns who has a name on a protocol. An exact name goes before patterns, the first pattern before the next, and all of them before a name that is
// the id of a user who has a record.
func (d *Identities) User(protocol Protocol, name string) (UserID, bool) {
	if d == nil {
		return "", false
	}
	text := strings.ToLower(name)
	if user := d.names[foreignName{protocol.String(), text}]; user != "" {
		return user, true
	}
	for i := range d.patterns {
		p := &d.patterns[i]
		if p.protocol != protocol.String() {
			continue
		}
		found := p.form.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		var filled []string
		for at, placeholder := range p.form.SubexpNames()[1:] {
			filled = append(filled, "{"+placeholder+"}", found[at+1])
		}
		if user, err := ParseUserID(strings.NewReplacer(filled...).Replace(p.user)); err == nil {
			return user, true
		}
	}
	if user, err := ParseUserID(text); err == nil && d.Of(user) != nil {
		return user, true
	}
	return "", false
}

// Size returns how many records there are.
func (d *Identities) Size() int {
	if d == nil {
		return 0
	}
	return d.size
}

// Names lists the names on a protocol that are no patterns, in the order of their users. The result must not be changed.
func (d *Identities) Names(protocol Protocol) []Name {
	if d == nil {
		return nil
	}
	return d.listed[protocol.String()]
}

// Of returns the record of a user, also if that is a pattern, or nil. It must not be changed.
func (d *Identities) Of(user UserID) *Identity {
	if d == nil {
		return nil
	}
	if record := d.users[user]; record != nil {
		return record
	}
	for _, pattern := range d.forms {
		if pattern.form.MatchString(string(user)) {
			return pattern.identity
		}
	}
	return nil
}

// DisplayName returns what people call a user, empty if no record says so. In a table without display names that costs nothing.
func (d *Identities) DisplayName(user UserID) string {
	if d == nil || !d.named {
		return ""
	}
	if record := d.Of(user); record != nil {
		return record.DisplayName
	}
	return ""
}

// SameDisplayNames reports whether two tables have the same display names, in the same records.
func (d *Identities) SameDisplayNames(other *Identities) bool {
	return maps.Equal(d.displayNames(), other.displayNames())
}

func (d *Identities) displayNames() map[string]string {
	names := make(map[string]string)
	if d == nil || !d.named {
		return names
	}
	for user, record := range d.users {
		names[string(user)] = record.DisplayName
	}
	for i, pattern := range d.forms { // the first one that matches counts
		names[pattern.place(i)] = pattern.identity.DisplayName
	}
	return names
}

// place names a pattern and its place among the patterns.
func (p *userPattern) place(i int) string { return strconv.Itoa(i) + " " + p.form.String() }
