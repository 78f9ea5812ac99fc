package domain

import (
	"fmt"
	"time"
)

// Source describes a source of presences: an adapter that collects those of one protocol in the background.
type Source struct {
	Protocol   Protocol      // which no other source has
	StaleAfter time.Duration // how long presences are kept after the link was lost
	Absent     Absence       // what is left of users that the source does not report
}

// Absence says what becomes of a user's presence on a protocol that knows the user but reports no device.
type Absence uint8

// What absence means.
const (
	AbsentUnavailable Absence = iota // the user is unavailable, as on XMPP
	AbsentNothing                    // the protocol says nothing of the user, as a calendar outside of meetings
)

// StalePolicy returns what ends a presence of the source after the link was lost.
func (s Source) StalePolicy() ExpiryPolicy {
	return ExpiryPolicy{After: s.StaleAfter, Vanishes: s.Absent == AbsentNothing}
}

// SourceState says how a source of presences is doing.
type SourceState uint8

// The states of a source.
const (
	SourceStandby    SourceState = iota // it does not run here: another daemon runs it, or this one has not begun or is ending
	SourceConnecting                    // it is trying to connect
	SourceConnected                     // the server has accepted the connection; not everyone has been reported yet
	SourceSynced                        // everyone who is online has been reported, and changes come as they happen
	SourceWaiting                       // it could not connect, or the link was lost; it will try again
	SourceRejected                      // the server refused it, so it needs a person; it will try again, but not soon
)

var sourceStateNames = [...]string{
	SourceStandby: "standby", SourceConnecting: "connecting", SourceConnected: "connected", SourceSynced: "synced",
	SourceWaiting: "waiting", SourceRejected: "rejected",
}

// String returns the state in one word.
func (s SourceState) String() string {
	if int(s) < len(sourceStateNames) {
		return sourceStateNames[s]
	}
	return fmt.Sprintf("SourceState(%d)", uint8(s))
}

// SourceStatus is how the source of one protocol is doing.
type SourceStatus struct {
	Protocol Protocol
	State    SourceState
	Since    Timestamp // when it came into this state
	Users    int       // of how many users the connection has told; zero if there is none
	Error    string    // why there is no connection, or what keeps a source from knowing what is so now; empty: nothing
	RetryAt  Timestamp // when it will try again, if it is waiting or rejected; else zero
	AsOf     Timestamp // all that a connected source shows was so at this moment or later; zero if the server tells it what changes

	Connected   Timestamp // since when there is a connection; zero if there is none
	Synced      Timestamp // when it was last in sync; zero if never since the daemon has started
	Connections uint64    // how many there were since then
	Reports     uint64    // how many the source has made since then
}
