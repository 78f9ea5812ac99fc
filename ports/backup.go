package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
)

// Backup gives all presences as they are kept, and takes presences over. It may be used concurrently.
type Backup interface {
	// Export calls visit for each presence that by sees, ordered by user, until visit returns an error, which it returns, or the context ends,
	// whose error it returns. An expired presence is given as it was set. A user is left out if by sees less than all, and of a user who is
	// invisible it is given what by sees. What is written meanwhile may be seen or not.
	Export(ctx context.Context, by domain.Principal, visit func(user domain.UserID, p domain.Presence) error) error

	// Import writes presences, all or none, and returns how many it has written. One is written if none is kept, or if the one that is kept
	// was updated earlier, so to import something again changes nothing. Of what by does not see the number says nothing: it is as if that was not
	// there. It blocks until they are kept. It returns ErrUnavailable, ErrFull, ErrTooLarge or the context's error.
	Import(ctx context.Context, by domain.Principal, presences []domain.Change) (written int, err error)
}
