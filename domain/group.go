package domain

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// group is what the records of a table say of a group.
type group struct {
	users []UserID // those who have a record of their own, in order
	open  bool     // a pattern has the group: everybody is in it who has the pattern's form, and no record of their own
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
			g = new(group)
			d.groups[name] = g
		}
		if isPattern {
			g.open = true
		} else {
			g.users = append(g.users, user)
		}
	}
	return faults
}

// sortGroups puts the users of each group in order, each once.
func (d *Identities) sortGroups() {
	for _, g := range d.groups {
		slices.Sort(g.users)
		g.users = slices.Compact(g.users)
	}
}

// Groups lists the names of all groups, in order. What it returns is the caller's.
func (d *Identities) Groups() []string {
	if d == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.groups))
}

// Group returns the users in a group who have a record of their own, in order, and whether it is open: whether everybody else is in it, too, whose
// record is a pattern that has the group (see InPattern). It reports whether there is the group. The users must not be changed.
func (d *Identities) Group(name string) (users []UserID, open, there bool) {
	if d == nil || d.groups[name] == nil {
		return nil, false, false
	}
	g := d.groups[name]
	return g.users, g.open, true
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

// SameGroups reports whether two tables have the same groups, in the same records.
func (d *Identities) SameGroups(other *Identities) bool {
	return maps.EqualFunc(d.groupsOfRecords(), other.groupsOfRecords(), slices.Equal[[]string])
}

// groupsOfRecords returns the groups of each record. Each pattern counts, as the first one that matches says in which groups a user is; so does a user's
// own record without groups, as that user is in none.
func (d *Identities) groupsOfRecords() map[string][]string {
	groups := make(map[string][]string)
	if d == nil || len(d.groups) == 0 {
		return groups
	}
	for user, record := range d.users {
		groups[string(user)] = record.Groups
	}
	for i, pattern := range d.forms {
		groups[pattern.place(i)] = pattern.identity.Groups
	}
	return groups
}
