package domain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UserList is a list of users: of ids, of domains (*@example.test, everybody there) and of groups (group:helpdesk). Make it with ParseUserList; it
// does not change and may be used concurrently. The zero value has nobody.
type UserList struct {
	users   map[UserID]bool
	domains map[string]bool
	groups  []string
}

// DomainPrefix and GroupPrefix begin a UserList's entries that are no ids.
const (
	DomainPrefix = "*@"     // stands before a domain
	GroupPrefix  = "group:" // stands before the name of a group
)

// ParseUserList reads the entries of a list. The error names every entry that is none, and wraps ErrInvalidUser.
func ParseUserList(entries []string) (UserList, error) {
	l := UserList{users: make(map[UserID]bool), domains: make(map[string]bool)}
	var faults []error
	for _, entry := range entries {
		group, isGroup := strings.CutPrefix(entry, GroupPrefix)
		host, isDomain := strings.CutPrefix(entry, DomainPrefix)
		switch {
		case isGroup && strings.TrimSpace(group) == "":
			faults = append(faults, fmt.Errorf("%w %s: the name of the group is missing", ErrInvalidUser, quote(entry)))
		case isGroup:
			l.groups = append(l.groups, group)
		case isDomain:
			someone, err := NewUserID("x", host)
			if err != nil {
				faults = append(faults, fmt.Errorf("%w %s: it is no domain", ErrInvalidUser, quote(entry)))
				continue
			}
			_, host = someone.Split()
			l.domains[host] = true
		default:
			user, err := ParseUserID(entry)
			if err != nil {
				faults = append(faults, fmt.Errorf("%w; in a list there are ids, *@domain and group:NAME", err))
				continue
			}
			l.users[user] = true
		}
	}
	return l, errors.Join(faults...)
}

// Has reports whether a user is in the list. Groups tells in which groups a user is; nil: nobody is in any.
func (l *UserList) Has(user UserID, groups func(UserID) []string) bool {
	_, host := user.Split()
	if l.users[user] || l.domains[host] {
		return true
	}
	if len(l.groups) == 0 || groups == nil {
		return false
	}
	return slices.ContainsFunc(groups(user), func(group string) bool { return slices.Contains(l.groups, group) })
}
