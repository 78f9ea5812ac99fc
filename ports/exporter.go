package ports

import (
	"context"
	"errors"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
)

// ErrDisabled is wrapped by the error of an Exporter whose receiver has said that it wants nothing any more. It is not run again before the
// configuration is read anew, or the daemon starts again.
var ErrDisabled = errors.New("the receiver wants nothing any more")

// Exporter tells somebody outside what users are, whenever that changes.
type Exporter interface {
	// Describe returns the exporter's name, and a digest of its settings. It always returns the same.
	Describe() domain.Exporter

	// Run tells what the outbox has, until ctx ends: for each user at least the latest state, and never an older one after a newer one. What the
	// receiver does not take is tried again, however long that lasts; meanwhile it goes on to ask the outbox, and keeps at most one waiting state
	// for each user.
	//
	// When ctx ends, Run returns ctx's error within a second, whatever the receiver does. Else it returns why it cannot go on: never nil, without
	// any secret, and wrapping ErrDisabled if the receiver wants nothing any more. When Run has returned, no goroutine of it is left, and the outbox
	// is not called any more. Run is not called concurrently with itself. The caller decides whether and when to call it again.
	Run(ctx context.Context, outbox Outbox) error

	// Statistics tells what the exporter has done since it was made. It may be called at any time, and does not block.
	Statistics() ExporterStatistics
}

// Outbox has what one exporter is to tell during one Run: everybody it may see who has changed after the last position that was
// acknowledged, by this exporter or one of its name on another daemon; and then every change. What it gives is what the exporter may see.
type Outbox interface {
	// Next blocks until there are news. It returns the context's error, or another one if there will be none any more, with which Run is to end. It is
	// not to be called concurrently with itself.
	Next(ctx context.Context) (News, error)

	// State returns what a user is now: the user of a state that Next has given, or may give next. It is never older than what was given before. It
	// returns false if nothing may be told now: the daemon was halted, and another one may have told something newer. The exporter asks again a second
	// later. It is to be asked right before each attempt. It may be called concurrently, and does not block.
	State(user domain.UserID) (state domain.State, ok bool)

	// Acknowledge says that all states up to a mark were told, or that a later state of the same user was. Marks are acknowledged in the order in
	// which Next gave them; some may be left out. After a restart everything after the last one is given again. It may be called concurrently, and does
	// not block.
	Acknowledge(mark Mark)
}

// News are states that an exporter is given at once.
type News struct {
	// States has each user at most once. It is the exporter's, but for the presences, which are shared and must not be changed. It may be empty. A state
	// with revision 0 says that the exporter sees nothing of the user, for a receiver that was told of the user before.
	States []domain.State

	// Told says that the receiver knows these states already. They are given so that the exporter can tell what changes.
	Told bool

	// Anew says that they are given anew, because something has changed that is no change of a user, or because no position counts: a state can be
	// another one than was told with the same revision.
	Anew bool

	// Mark stands for these states and all that were given before.
	Mark Mark
}

// Mark is how far an exporter has come. It means nothing to the exporter, who gives it back.
type Mark struct {
	Revision domain.Revision
	Renewal  uint64 // how often everything was given anew before
}

// Exporters tells how the exporters of this daemon are doing. It may be used concurrently.
type Exporters interface {
	// Statuses returns the status of each exporter, in the order of their names. It does not block. What it returns is the caller's.
	Statuses() []ExporterStatus
}

// ExporterStatus is how an exporter is doing.
type ExporterStatus struct {
	ExporterStatistics

	Name  string
	State domain.ExporterState
}

// ExporterStatistics is what an exporter counts.
type ExporterStatistics struct {
	Told, Failed uint64             // attempts to tell a state, by their result
	Durations    *measure.Histogram // of these attempts
	Waiting      int                // users with a state that is still to be told
	FailingSince domain.Timestamp   // since when the receiver has taken nothing although there was something to tell; zero: it takes what there is
}
