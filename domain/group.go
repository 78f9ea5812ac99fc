package domain

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Group is what the records of a table say of a group. It must not be changed.
type Group struct {
	// Users have a record of their own that names the group. They are in order.
	Users []UserID

	// Patterns has an id for each pattern that names the group, with 1 in the place of each placeholder. Everybody is in the group who has the form of one
	// of them and no record of their own (see InPattern).
	Patterns []UserID
}

// addGroups takes note of the groups of a record, and returns what is wrong with them.
func (d *Identities) addGroups(record *Identity, user UserID, isPattern bool) (faults []error) {
	for _, name := range record.Groups {
		if strings.TrimSpace(name) == "" {
			faults = append(faults, errors.New("the name of a group is empty"))
			continue
		}
		g := d.groups[name]
		if g == nil {
			g = new(Group)
			d.groups[name] = g
		}
		if isPattern {
			g.Patterns = append(g.Patterns, user)
		} else {
			g.Users = append(g.Users, user)
		}
	}
	return faults
}

// sortGroups puts the users of each group in order, each once.
func (d *Identities) sortGroups() {
	for _, g := range d.groups {
		slices.Sort(g.Users)
		g.Users = slices.Compact(g.Users)
	}
}

// Groups lists the names of all groups, in order. What it returns is the caller's.
func (d *Identities) Groups() []string {
	if d == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.groups))
}

// Group returns what the records say of a group, nil if none names it.
func (d *Identities) Group(name string) *Group {
	if d == nil {
		return nil
	}
	return d.groups[name]
}

// InPattern lists the groups that a user is in by a pattern. The result must not be changed.
func (d *Identities) InPattern(user UserID) []string {
	if d == nil || d.users[user] != nil {
		return nil
	}
	if record := d.Of(user); record != nil {
		return record.Groups
	}
	return nil
}

// Regrouped lists the groups whose members are others by one table than by another, or may be: in order, each once.
func (d *Identities) Regrouped(other *Identities) []string {
	changed := make(map[string]bool)
	note := func(groups []string) {
		for _, name := range groups {
			changed[name] = true
		}
	}
	compare := func(one, other *Identities) {
		for user, record := range one.users {
			if own := other.users[user]; own == nil || !slices.Equal(record.Groups, own.Groups) { // who has a record is a member also if not known
				note(record.Groups)
				note(other.groupsOf(user))
			}
		}
	}
	one, another := cmp.Or(d, &Identities{}), cmp.Or(other, &Identities{})
	if len(one.groups) == 0 && len(another.groups) == 0 {
		return nil
	}
	compare(one, another)
	compare(another, one)
	if !slices.EqualFunc(one.forms, another.forms, userPattern.sameGroups) { // as the first one that matches counts, all may have other members
		for _, pattern := range slices.Concat(one.forms, another.forms) {
			note(pattern.identity.Groups)
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// groupsOf returns the groups of a user, by a record of their own or by a pattern.
func (d *Identities) groupsOf(user UserID) []string {
	if record := d.Of(user); record != nil {
		return record.Groups
	}
	return nil
}

// sameGroups reports whether a pattern puts the same users into the same groups as another.
func (p userPattern) sameGroups(other userPattern) bool {
	return p.form.String() == other.form.String() && slices.Equal(p.identity.Groups, other.identity.Groups)
}
