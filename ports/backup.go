package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
)

// Backup reads and takes over presences as they are kept: those of a user's devices one by one, and expired ones as they were. It may be used
// concurrently.
type Backup interface {
	// Users returns all users that have presences, in the order of their ids. It takes about a microsecond for each.
	Users() []domain.UserID

	// Presences returns what is kept of a user. It does not block. What it returns is shared and must not be changed.
	Presences(user domain.UserID) domain.Presences

	// Import takes over each presence that is not kept yet, or is newer than the one that is kept (domain.Presence.Updated): all of these, or
	// none. It returns how many there were. If a presence is there twice, the newest counts. Its errors are ErrUnavailable, ErrTooLarge, and
	// the context's.
	Import(ctx context.Context, presences []domain.Change) (taken int, err error)
}
