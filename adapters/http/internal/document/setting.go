package document

import (
	"time"

	"github.com/zarafa/presence/adapters/http/internal/jsonscan"
	"github.com/zarafa/presence/domain"
)

// maxTTL is the greatest ttl, in seconds: more than a domain.Timestamp can be ahead.
const maxTTL = 9_999_999_999

// Setting is a request to set one presence: {"status": "busy", "message": "in a meeting", "until": "2026-11-23T15:00:00Z"}, or with
// "ttl", in seconds, instead of "until". Its strings are parts of the text that was read, which reading changes.
type Setting struct {
	Status  string
	Message string
	Until   domain.Timestamp // zero if there is no end
	ByTTL   bool             // the end came as a ttl
}

// Read reads the document. The ttl counts from the given moment. A fault is a *jsonscan.Fault.
func (t *Setting) Read(text []byte, now domain.Timestamp) error {
	*t = Setting{}
	var status, message, until, ttl bool
	s := &jsonscan.Scanner{Text: text}
	readObject(s, func(name string) bool {
		switch name {
		case "status":
			return once(s, name, &status) && str(s, "#/status", &t.Status)
		case "message":
			return once(s, name, &message) && str(s, "#/message", &t.Message)
		case "until":
			return once(s, name, &until) && exclusive(s, until && ttl) && t.end(s)
		case "ttl":
			return once(s, name, &ttl) && exclusive(s, until && ttl) && t.last(s, now)
		}
		return unknown(s, name, "status, message, until and ttl")
	})
	if !status {
		s.Refuse("#/status", "is missing")
	}
	return s.Err()
}

func exclusive(s *jsonscan.Scanner, both bool) bool {
	if both {
		s.Refuse("#/ttl", "and until exclude each other")
	}
	return !both
}

// end reads the last moment.
func (t *Setting) end(s *jsonscan.Scanner) bool {
	const form = "a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"
	var text string
	if s.Peek() != '"' {
		return s.Wrong("#/until", form)
	}
	if !str(s, "#/until", &text) {
		return false
	}
	var until time.Time
	if err := until.UnmarshalText([]byte(text)); err != nil { // which is stricter than time.Parse
		s.Refuse("#/until", "must be %s", form)
		return false
	}
	switch {
	case until.After(latest):
		s.Refuse("#/until", "must not be later than %s", latest.Format(time.RFC3339))
		return false
	case until.Before(earliest):
		t.Until = 1 // so that it has passed: zero would be no end
	default:
		t.Until = domain.TimestampOf(until)
	}
	return true
}

var (
	earliest = time.Unix(1, 0)
	latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC) // soon after that a domain.Timestamp ends
)

// last reads how long it is to hold.
func (t *Setting) last(s *jsonscan.Scanner, now domain.Timestamp) bool {
	seconds, ok := whole(s, "#/ttl", "a whole number of seconds, at least 1", 1, maxTTL)
	if !ok {
		return false
	}
	t.Until, t.ByTTL = domain.TimestampOf(latest), true
	if left := int64(t.Until-now) / int64(time.Second); int64(seconds) < left {
		t.Until = now.Add(time.Duration(seconds) * time.Second)
	}
	return true
}
