package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
)

// Statistics tells what the core has done, and what it has. It may be used concurrently. But for Census nothing of it blocks.
type Statistics interface {
	// Journal tells how the journal is doing.
	Journal() JournalStatistics

	// Census counts all presences, which takes some 700 ns a user. So it answers with the last count until thirty times as long has passed, and
	// a second at least. ok is false while presences are being loaded, and if ctx ends first.
	Census(ctx context.Context) (count Census, ok bool)

	// Expiries counts the presences that have expired, by how late that was written and told.
	Expiries() *measure.Histogram

	// ReportsDropped is how many reports of sources were dropped, because there were as many users as there may be.
	ReportsDropped() uint64

	// Leases tells of each lease that this daemon holds or waits for whether it holds it.
	Leases() map[string]bool
}

// JournalStatistics is how the journal is doing.
type JournalStatistics struct {
	Kept, Refused, Unknown uint64             // appends by their result; Unknown: nobody knows whether it was kept
	Durations              *measure.Histogram // of the appends
	Writable               bool               // the last append was kept, or there was none yet
	Followed               bool               // nothing may be missing here that another daemon has written

	Entries         int64            // since the last snapshot; all that were read at the start count as newer than it
	SnapshotBytes   int64            // how large the last snapshot is
	SnapshotAt      domain.Timestamp // when this daemon has last made one; zero: not since it has started
	SnapshotsMade   uint64           // by this daemon
	SnapshotsFailed uint64
}

// Census is how many users and presences there are, as a reader would be told.
type Census struct {
	Users     map[domain.Status]int   // by their unified status; those with no presence do not count
	Presences map[domain.Protocol]int // a user with several devices on a protocol has one there
}
