package v1

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// readSetting reads a request to set one presence: {"status": "busy", "message": "in a meeting", "until": "2026-11-23T15:00:00Z"}, or with
// "ttl", in seconds from the given moment, instead of "until", and perhaps an "activity", an "idle_since", a "device" and "invisible": true. A fault is a *problem.Error.
func readSetting(body []byte, now domain.Timestamp) (read domain.Update, byTTL bool, err error) {
	var document struct {
		Status    member[text]    `json:"status"`
		Message   member[text]    `json:"message"`
		Until     member[moment]  `json:"until"`
		TTL       member[seconds] `json:"ttl"`
		Device    member[text]    `json:"device"`
		Activity  member[text]    `json:"activity"`
		IdleSince member[moment]  `json:"idle_since"`
		Invisible member[yesOrNo] `json:"invisible"`
	}
	if err := readObject(body, &document, "status, message, activity, idle_since, until, ttl, invisible and device"); err != nil {
		return read, false, err
	}
	read.Status, read.Message, read.Until = string(document.Status.value), string(document.Message.value), domain.Timestamp(document.Until.value)
	read.Device, read.Activity = string(document.Device.value), string(document.Activity.value)
	read.IdleSince, read.Invisible = domain.Timestamp(document.IdleSince.value), bool(document.Invisible.value)
	switch {
	case document.Until.set && document.TTL.set:
		err = problem.InBody(problem.ErrMalformed, "#/ttl", "and until exclude each other")
	case !document.Status.set:
		err = problem.InBody(problem.ErrMalformed, "#/status", "is missing")
	case document.TTL.set:
		read.Until = document.TTL.value.after(now)
	}
	return read, document.TTL.set, err
}

var (
	earliest = time.Unix(1, 0)
	latest   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC) // soon after that a domain.Timestamp ends
)

// moment is a date and time in a request.
type moment domain.Timestamp

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *moment) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	const form = "must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"
	if from.PeekKind() != '"' {
		return problem.ComesNext(from, form)
	}
	var written text
	if err := json.UnmarshalDecode(from, &written); err != nil {
		return err
	}
	at, err := domain.ParseTime(string(written))
	if err != nil {
		return problem.ReadLast(from, form)
	}
	switch {
	case at.After(latest):
		return problem.ReadLast(from, "must not be later than "+latest.Format(time.RFC3339))
	case at.Before(earliest):
		*m = 1 // so that it has passed: zero would be no end
	default:
		*m = moment(domain.TimestampOf(at))
	}
	return nil
}

// yesOrNo is true or false, and nothing else.
type yesOrNo bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (y *yesOrNo) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if kind := from.PeekKind(); kind != 't' && kind != 'f' {
		return problem.ComesNext(from, "must be true or false")
	}
	token, err := from.ReadToken()
	if err == nil {
		*y = yesOrNo(token.Bool())
	}
	return err
}

// seconds is how long a presence is to hold.
type seconds uint64

// maxTTL is the greatest ttl, in seconds: more than a domain.Timestamp can be ahead.
const maxTTL = 9_999_999_999

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *seconds) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	n, err := wholeNumber(from, 1, maxTTL, "must be a whole number of seconds, at least 1", fmt.Sprintf("must be at most %d seconds", uint64(maxTTL)))
	*s = seconds(n)
	return err
}

// after returns when the time has passed that began at the given moment.
func (s seconds) after(now domain.Timestamp) domain.Timestamp {
	last := domain.TimestampOf(latest)
	if left := int64(last-now) / int64(time.Second); int64(s) >= left { //nolint:gosec // it is at most maxTTL
		return last
	}
	return now.Add(time.Duration(s) * time.Second) //nolint:gosec // it is at most maxTTL
}
