package domain

import "fmt"

// Principal is the user that a token speaks for.
type Principal struct {
	User    UserID
	Any     bool      // may update every user, not only itself
	Service bool      // is listed as a service: may ask for everybody at once
	Until   Timestamp // the last moment at which the token holds
}

// MayWatchAll returns nil if the principal may ask for everybody without naming them, else an ErrForbidden.
func (p Principal) MayWatchAll() error {
	if p.Service {
		return nil
	}
	return fmt.Errorf("%w: %s is no service, and only services may ask for everybody: name the users", ErrForbidden, p.User)
}

// MayUpdate returns nil if the principal may change the user's presence, else an ErrForbidden that names both.
func (p Principal) MayUpdate(user UserID) error {
	if p.Any || p.User == user {
		return nil
	}
	return fmt.Errorf("%w: %s may not update %s", ErrForbidden, p.User, user)
}
