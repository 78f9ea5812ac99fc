package ports

import (
	"context"
	"errors"

	"github.com/zarafa/presence/domain"
)

// ErrRejected is wrapped by the error of a Source that only a person can help: the server answered and refused the account, by a
// wrong password or a ban. It is retried after minutes, so as not to get the account locked. Nothing else is a rejection: neither a
// certificate that is not accepted, as it may be renewed at any moment, nor a user who refuses to be seen.
var ErrRejected = errors.New("rejected by the server")

// Source collects the presences of one protocol in the background.
type Source interface {
	// Describe returns the protocol, and what becomes of its presences when the source does not report them. It always returns the same.
	Describe() domain.Source

	// Run connects once, tells observer what it sees, and returns when the link is lost, with the reason: never nil, without any
	// secret, and wrapping ErrRejected if the server refused the account. A connection that the server has closed is lost within
	// 2 seconds, and one on which nothing comes any more within 30 seconds.
	//
	// When ctx ends, Run returns ctx's error within a second, whatever the server does; that goes for a DNS query, too. When Run
	// has returned, no goroutine of it is left, and observer is not called any more. Run is not called concurrently with itself.
	// The caller decides whether and when to call it again.
	Run(ctx context.Context, observer Observer) error
}

// Observer takes what a source sees during one Run. Its methods do not wait for anything to be written, and may be called concurrently.
//
// A new Run starts with no devices. What an earlier Run left is kept, as stale after a while, until the user is reported again, Synced is
// called, or the source's domain.Source.StaleAfter has passed.
//
// The daemon keeps only so much: store.max_users, store.max_devices, store.max_source_bytes. Known and Report return false if there is no room
// for what they were told, which is ignored then. A source that keeps lists of its own must not add what was not kept, so that they
// are bounded, too.
type Observer interface {
	// Connected says that the server has accepted the connection. It is called once, before everything else.
	Connected()

	// Known says that the protocol knows the user, without saying whether it is online: a roster entry. Unless a report
	// follows, the user is absent from Synced on.
	Known(user domain.UserID) (kept bool)

	// Report says what one device of a user shows. Its name stays the same for as long as the device is there. Unavailable takes
	// the device away, and with an empty Device all devices of the user. A device that is one too many takes the place of the one that has been
	// quiet for longest. A source that goes on from what it knew last while its server is away says so with Report.Stale.
	Report(report domain.Report) (kept bool)

	// AsOf is for a source that asks again and again, and so knows only what was so a while ago: all that it shows was so at that moment, or later, but for
	// what trouble says, which is why it does not know more, and without any secret. nil: nothing is wrong. It is for people to see, and changes no presence.
	AsOf(at domain.Timestamp, trouble error)

	// Forget says that the protocol does not know the user any more.
	Forget(user domain.UserID)

	// Unconfirmed returns how many users an earlier Run has left online and this Run has not told anything of yet. While the number falls, a
	// source whose server does not say when it has sent everything waits with Synced.
	Unconfirmed() int

	// Synced says that everyone who is online has been reported since Connected: whoever was not is absent, which means what
	// domain.Source.Absent says. It is called once. A device that was reported in this Run and leaves before Synced is gone at
	// once; what an earlier Run left waits for Synced.
	Synced()
}
