package domain

import (
	"fmt"
	"slices"
)

// Principal is who a token speaks for: a user, or the bearer of a static key.
type Principal struct {
	User    UserID    // of a key KeyPrefix and its name, which is nobody's id
	Any     bool      // may update every user, not only itself
	Service bool      // is listed as a service: may ask for everybody at once
	Until   Timestamp // the last moment at which the token holds
	Key     *Key      // what the key allows; nil: it is a user
	Local   bool      // has the files of the store, so no rule hides anything
}

// KeyPrefix begins what a key is called where users have ids.
const KeyPrefix = "key:"

// Key is what a static key allows. It does not change.
type Key struct {
	Protocols []Protocol // that may be set
	Users     UserList   // the users that it is about
	Read      bool       // the users may be asked about, too
	Groups    func(UserID) []string
}

// Machine reports whether it is a program that works for many users, so that no limit for a single user is meant for it.
func (p Principal) Machine() bool { return p.Service || p.Key != nil }

// MayWatchAll returns nil if the principal may ask for everybody without naming them, else an ErrForbidden.
func (p Principal) MayWatchAll() error {
	if p.Service {
		return nil
	}
	return fmt.Errorf("%w: %s is no service, and only services may ask for everybody: name the users", ErrForbidden, p.User)
}

// MayAskWhy returns nil if the principal may ask which rule decides what a viewer sees, else an ErrForbidden. Nobody may ask about itself, because a
// viewer must not learn the rules that hide others from it.
func (p Principal) MayAskWhy(viewer UserID) error {
	switch {
	case !p.Service:
		return fmt.Errorf("%w: %s is no service, and only services may ask why somebody sees a user", ErrForbidden, p.User)
	case p.User == viewer:
		return fmt.Errorf("%w: %s may not ask which rules are about itself: another service can", ErrForbidden, p.User)
	}
	return nil
}

// MayUpdate returns nil if the principal may change the user's presence on a protocol, else an ErrForbidden that names them.
func (p Principal) MayUpdate(user UserID, protocol Protocol) error {
	switch {
	case p.Key != nil && !slices.Contains(p.Key.Protocols, protocol):
		return fmt.Errorf("%w: %s may not set %s", ErrForbidden, p.User, protocol)
	case p.Key != nil && p.Key.Users.Has(user, p.Key.Groups), p.Key == nil && (p.Any || p.User == user):
		return nil
	}
	return fmt.Errorf("%w: %s may not update %s", ErrForbidden, p.User, user)
}

// MayRead returns nil if the principal may ask about users, else an ErrForbidden: for a key that may not ask at all, and else Problems that name
// every user that it may not ask about. An id that is malformed is for others to refuse.
func (p Principal) MayRead(ids []string) error {
	if p.Key == nil {
		return nil
	}
	if !p.Key.Read {
		return fmt.Errorf("%w: %s may set presences, and ask nothing", ErrForbidden, p.User)
	}
	var problems Problems
	for i, id := range ids {
		if user, err := ParseUserID(id); err == nil && !p.Key.Users.Has(user, p.Key.Groups) {
			problems = append(problems, Problem{Index: i, Field: FieldUser, Err: fmt.Errorf("%w: %s may not ask about %s", ErrForbidden, p.User, user)})
		}
	}
	return problems.OrNil()
}

// Reads reports whether the principal may ask about a user, as MayRead does. It is for those who are not named, but found: the members of a group.
func (p Principal) Reads(user UserID) bool {
	return p.Key == nil || p.Key.Read && p.Key.Users.Has(user, p.Key.Groups)
}
