package ports

import (
	"context"
	"errors"

	"github.com/zarafa/presence/domain"
)

var (
	// ErrCompacted says that not everything is remembered that has happened since the revision from which a reader was to go on: the reader
	// has to begin anew, with what is there.
	ErrCompacted = errors.New("the revision is too old to go on from")

	// ErrResumed says that no change was missed, but that every state has to be told anew: while the journal could not be followed, some were
	// shown as stale that are not, and no change says so. It is told once each time.
	ErrResumed = errors.New("the journal can be followed again")

	// ErrWatchClosed is the end of what was closed.
	ErrWatchClosed = errors.New("watch closed")
)

// Feed tells the states of users by revision: what they are, and what changes. It carries states, not their history. It may be used
// concurrently.
//
// What it tells a viewer is what the viewer sees. A user that the rules hide from the viewer is like one who is not known.
type Feed interface {
	// Revision returns a revision up to which every change is seen by the calls that begin later, on this daemon. It does not block or
	// allocate.
	Revision() domain.Revision

	// States appends to into the state of each user, in order, as by sees it now, expiry taken into account. It also returns up to which revision
	// removals may be forgotten, or rules were others (domain.State.ChangedSince). It does not block, and what it returns is shared and must not be changed.
	//
	// If any id is malformed it returns domain.Problems naming each such id, and into as it was.
	States(by domain.Principal, ids []string, into []domain.State) (states []domain.State, forgotten domain.Revision, err error)

	// Changed returns the users who have changed for by after since, in the order of the revisions that by sees, without their presences: from
	// zero on everybody who is known. It returns ErrCompacted if somebody who is not known any more may be missing. It
	// takes about a microsecond for each user who is stored, and returns the context's error soon after that has ended.
	Changed(ctx context.Context, by domain.Principal, since domain.Revision) ([]domain.State, error)

	// Sight returns what by sees of a user, by the rules of now. It does not block or allocate.
	Sight(by domain.Principal, user domain.UserID) domain.Sight

	// Decide returns what viewer sees of a user, by the rules of now, and which of them decides. That is for administrators: no viewer is told. It does
	// not block.
	Decide(viewer domain.Principal, user domain.UserID) domain.Decision

	// Unrestricted reports whether everybody sees the same of everybody: there are no rules, and nobody is invisible. It does not block or
	// allocate. What was asked for after it has returned true can be told to others, as long as Revision and the rules stay what they were before.
	Unrestricted() bool

	// Follow tells the changes from now on. Those of before are seen by all calls that begin after it has returned, so a reader follows first, and
	// then asks for what is there: a change in between may be both seen and told. It does not block.
	Follow() Following
}

// Following is a reader's place in the changes. The reader is told everything, and must tell viewers no more than they see.
type Following interface {
	// Next blocks until something has changed, and returns the states of the users who have changed since it has returned last, each user once; and up to
	// which revision nothing else is to come: the head. Heads ascend.
	//
	// The states are whole: a viewer is to be told domain.State.Seen, if its revision is greater than the head before, and not greater than this one. Of
	// several changes that a state stands for a viewer may see only an earlier one, so those who see less are told in another order. What has a greater
	// revision than the head is on its way, and comes with a later call.
	//
	// It returns the context's error, ErrResumed, or ErrWatchClosed after Close. Nothing is missed. Not to be called concurrently with itself.
	Next(ctx context.Context) ([]domain.State, domain.Revision, error)

	// Close ends it, and a Next in progress. It may be called at any time, and more than once.
	Close()
}
