package events

import (
	"strconv"
	"time"

	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
)

// event is what is written to several subscribers.
type event struct {
	revision domain.Revision // who has got it knows everything up to here
	text     []byte
	at       time.Time // when the hub has learnt of the change; zero: it is about none
}

// The events that are always the same.
const (
	// retry is how many milliseconds a client should wait before it connects again.
	retryEvent = "retry: 2000\n\n"
	resetEvent = "event: reset\ndata: {}\n\n"

	// nothing is a comment: a stream may have one wherever a line begins.
	nothing = ":\n"
)

// reason says why the server ends a stream.
type reason uint8

const (
	unended reason = iota
	expired
	stopping
)

var endEvents = [...]string{
	expired:  "event: end\ndata: {\"reason\":\"expired\"}\n\n",
	stopping: "event: end\ndata: {\"reason\":\"stopping\"}\n\n",
}

// appendPresence appends the event with a user's state, once for each of the spellings of the id. If nothing is known of the user it has no id, because there is nothing to
// go on from.
func appendPresence(dst []byte, state *domain.State, spellings ...string) []byte {
	for _, id := range spellings {
		dst = append(dst, "event: presence\n"...)
		if state.Revision > 0 {
			dst = appendID(dst, state.Revision)
		}
		dst = append(dst, "data: "...)
		dst = v1.AppendUser(dst, id, state)
		dst = append(dst, "\n\n"...)
	}
	return dst
}

// appendReady appends the event after the snapshot, which a reset begins anew.
func appendReady(dst []byte, head domain.Revision) []byte {
	dst = append(dst, "event: ready\n"...)
	dst = appendID(dst, head)
	dst = append(dst, `data: {"revision":`...)
	dst = strconv.AppendUint(dst, uint64(head), 10)
	return append(dst, "}\n\n"...)
}

// appendHeartbeat appends a comment, and the revision up to which everything has been told: a client takes note of an id without data,
// although it is no event (HTML Living Standard, 9.2.6), so that one who heard nothing for a week does not come back with what it had then.
func appendHeartbeat(dst []byte, head domain.Revision) []byte {
	dst = append(dst, nothing...)
	dst = appendID(dst, head)
	return append(dst, '\n')
}

func appendID(dst []byte, revision domain.Revision) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendUint(dst, uint64(revision), 10)
	return append(dst, '\n')
}
