package domain

import "fmt"

// Principal is whom a token speaks for.
type Principal struct {
	User UserID
	Any  bool // may update every user, not only itself
}

// MayUpdate returns nil if the principal may change the user's presence, else an ErrForbidden that names both.
func (p Principal) MayUpdate(user UserID) error {
	if p.Any || p.User == user {
		return nil
	}
	return fmt.Errorf("%w: %s may not update %s", ErrForbidden, p.User, user)
}
