package ports

import (
	"context"
	"errors"

	"github.com/zarafa/presence/domain"
)

var (
	// ErrConflict says that a presence is no longer what a Write expected. Nothing was written; read again and retry.
	ErrConflict = errors.New("the presence has changed meanwhile")

	// ErrCompacted says that the store no longer knows everything that happened after the revision from which a watch was to go
	// on: the watcher has to begin anew, with what is there.
	ErrCompacted = errors.New("the revision is too old to go on from")

	// ErrWatchClosed is the end of a watch that was closed.
	ErrWatchClosed = errors.New("watch closed")
)

// Write replaces one user's presence on one protocol, provided that nobody else has done so meanwhile (compare-and-set).
type Write struct {
	User domain.UserID
	Old  domain.Presence // as it was read; if there was none, its zero value with only Protocol set
	New  domain.Presence // Gone removes it, and is no change if there was none; its Revision is the store's to give
}

// Store keeps the presences of all users. It may be used concurrently.
//
// It keeps what it is given: it knows no expiry, and hands out an expired presence as it was written. Revisions are its own:
// each write that is a change (domain.Presence.Differs, or the first of its kind) gets a revision greater than any before it,
// and one that merely renews keeps the revision it had.
type Store interface {
	// Presences returns what is stored of a user: nil if nothing is. It never blocks, not even on a write in progress, and
	// does not allocate. The result is shared and must not be changed. A store reads its own writes: what Apply has
	// acknowledged is seen by every later call.
	Presences(user domain.UserID) domain.Presences

	// Slot returns the place where a user's presences are kept, for a reader that will want them again: nil if nothing is
	// stored of the user. It does not block, and does not allocate. It keeps no reference to user.
	Slot(user domain.UserID) Slot
	// Each calls visit for every user of whom something is stored, until visit returns false. What is written meanwhile
	// may be seen or not. visit may call the store.
	Each(visit func(user domain.UserID, presences domain.Presences) bool)

	// Apply carries out all writes, at most one for each presence, or none of them, and returns when they are kept as
	// safely as the store can.
	//
	// The store does not keep the slice, and copies no strings. It keeps the messages and the id of a Write whose Old was never
	// there; other ids it may not keep, so they may be in memory that is used again.
	//
	// It returns ErrConflict if any Old is not what is stored, ErrUnavailable if the store cannot write now, or the
	// context's error.
	Apply(ctx context.Context, writes []Write) error

	// Revision returns a revision up to which every change is seen by the reads that begin later. It does not block or allocate.
	Revision() domain.Revision

	// LastRemoval returns the revision at which a presence of a user was last removed, and up to which revision removals may be forgotten.
	// It is zero if it is not remembered, and may be if what is stored of the user has a greater revision. It does not block or
	// allocate.
	LastRemoval(user domain.UserID) (last, forgotten domain.Revision)

	// Removals returns what was removed after since and has not come back, in no particular order; ErrCompacted if the store may have
	// forgotten some of it.
	Removals(since domain.Revision) ([]domain.Change, error)

	// Watch returns every presence whose revision is greater than since, and from then on every change. Removed ones that
	// a watcher may have seen are among them, as Gone. A store need not remember for ever what was removed: if it has forgotten
	// something that is later than since, and since is not zero, the watch ends with ErrCompacted. It does not block.
	Watch(since domain.Revision) Watch
}

// Slot is where one user's presences are kept, from the first until the last of them is removed. It may be used concurrently.
type Slot interface {
	// Presences returns what Store.Presences would return for the user now, in less time, under the same conditions.
	//
	// Once it has returned nil it does so for ever: if the user comes back, that is in another slot.
	Presences() domain.Presences
	// Holds reports whether nothing was written since Presences returned this, its very result and not only an equal one. It
	// takes even less time than to get and look at presences. Of nil it is not to be asked.
	Holds(presences domain.Presences) bool
}

// Watch follows the changes of a store. It carries state, not history: of several changes to one presence between two calls
// of Next only the last is told, so a slow reader costs the store no more than a fast one.
type Watch interface {
	// Next blocks until something has changed and returns it in order of revision; it never returns an empty slice without an
	// error. Each revision returned is greater than all that were returned before, so the last one can resume the watch.
	// It returns the context's error, ErrWatchClosed after Close, ErrCompacted, or what made the store lose the watch. Not to be
	// called concurrently with itself.
	Next(ctx context.Context) ([]domain.Change, error)

	// Close ends the watch and a Next in progress. It may be called at any time, and more than once.
	Close()
}
