package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
)

// Directory tells which users there are, as far as a principal may ask about them and sees anything of them. It may be used concurrently.
//
// The members of a group are the users who have a record of their own that names it, known or not, and those known users who have the form of a pattern
// that names it and have no record of their own. Who is known is what the principal sees.
type Directory interface {
	Groups

	// List lists the groups, in the order of their names. Members are counted up to most. It takes about a microsecond for each member, and
	// returns the context's error soon after that has ended.
	List(ctx context.Context, by domain.Principal, most int) ([]Group, error)

	// Members appends to into the members of a group, in order, and reports whether there are more than most, which are left out. It does not block. An
	// unknown group is a domain.ErrUnknownGroup that names it. So is one in which the principal would see nobody, whoever is known.
	Members(by domain.Principal, group string, most int, into []domain.UserID) (members []domain.UserID, more bool, err error)

	// Regrouped returns a revision up to which groups may have had other members than now for a reason that no revision says: another configuration.
	// Whoever goes on from there has to be told all members. It does not block.
	Regrouped() domain.Revision

	// Users appends to into the known users whose ids come after one, in order, and reports whether there are more than most, which are left out. It takes
	// about 0.3 microseconds for each user who is known, and returns the context's error soon after that has ended.
	Users(ctx context.Context, by domain.Principal, after domain.UserID, most int, into []domain.UserID) (users []domain.UserID, more bool, err error)
}

// Group is a group as somebody sees it.
type Group struct {
	Name    string
	Members int
	More    bool // there are more members than were counted
}
