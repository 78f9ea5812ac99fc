package domain

import (
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
