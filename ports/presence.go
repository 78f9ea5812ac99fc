package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
)

// Presence answers who is available and takes updates. It may be used concurrently.
type Presence interface {
	// Query appends to into, for each id in order, what by sees of that user's presences now: expiry is taken into account. An id that
	// no protocol knows gets an empty entry, and so does a user if by sees less than all. It never blocks, and allocates nothing in the
	// usual case but the growth of into. The answer is shared and must not be changed.
	//
	// If any id is malformed it returns domain.Problems naming each such id, and into as it was.
	Query(by domain.Principal, ids []string, into []domain.Presences) ([]domain.Presences, error)

	// Update carries out all updates on behalf of a principal, or none. It blocks until the store has acknowledged them.
	// Two updates of the same presence take effect in order.
	//
	// An update of a protocol that is read-only is accepted as no change if it repeats what by sees now, so it tells nobody more than Query does.
	//
	// It returns domain.Problems naming every offending entry (domain.ErrInvalidUser, ErrUnknownProtocol, ErrInvalidDevice,
	// ErrUnknownStatus, ErrInvalidMessage, ErrInvalidUntil, ErrInvisible, ErrReadOnly, ErrForbidden), ErrUnavailable if nothing can be written
	// now, ErrFull if there is no room for a new user, ErrTooLarge if the updates are too much to be written at once, or the context's error.
	Update(ctx context.Context, by domain.Principal, updates []domain.Update) error
}
