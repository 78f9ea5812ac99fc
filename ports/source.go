package ports

import (
	"context"
	"errors"

	"github.com/zarafa/presence/domain"
)

// ErrRejected is wrapped by the error of a Source whose server answered and refused it: a wrong password, a banned address. To
// try again at once is of no use.
var ErrRejected = errors.New("rejected by the server")

// Source collects the presences of one protocol in the background.
type Source interface {
	// Describe returns the protocol, and what becomes of its presences when the source does not report them. It always returns the same.
	Describe() domain.Source

	// Run connects once, tells observer what it sees, and returns when the link is lost, with the reason: never nil, and
	// wrapping ErrRejected if the server refused it. When ctx ends, Run returns ctx's error within a second, whatever the
	// server does, and after it returns nothing of it is left running and observer is not called any more. The caller decides
	// whether and when to call it again. It is not called concurrently with itself.
	Run(ctx context.Context, observer Observer) error
}

// Observer takes what a source sees during one Run. Its methods do not block, never fail, and may be called concurrently.
//
// A new Run starts with no devices: what an earlier one left is kept, as stale, until it is reported again, Synced is called, or
// the source's domain.Source.StaleAfter has passed.
type Observer interface {
	// Connected says that the server has accepted the connection. To be called once.
	Connected()

	// Known says that the protocol knows the user, without saying whether it is online: a roster entry. Unless a report
	// follows, the user is absent from Synced on.
	Known(user domain.UserID)

	// Report says what one device of a user shows. Unavailable takes the device away, and with an empty Device all
	// devices of the user.
	Report(report domain.Report)

	// Forget says that the protocol does not know the user any more.
	Forget(user domain.UserID)

	// Synced says that everyone who is online has been reported since Connected: whoever was not is absent, which means what
	// domain.Source.Absent says.
	Synced()
}
