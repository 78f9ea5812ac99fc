// Package backup reads and writes the lines of an export, which the HTTP API and the commands share.
package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/zarafa/presence/domain"
)

// ContentType is the media type of an export.
const ContentType = "application/jsonl"

// line is one presence as JSON:
//
//	{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a meeting","since":"2026-11-23T09:00:00.000000000Z",
//	"updated":"2026-11-23T09:14:30.123456789Z","expires":"2026-11-23T09:16:30.123456789Z","stale":false}
//
// (without the line break). What is optional may be missing; a presence that holds for ever has no expires.
type line struct {
	User     *string `json:"user"`
	Protocol *string `json:"protocol"`
	Device   string  `json:"device,omitzero"`
	Status   *string `json:"status"`
	Message  string  `json:"message"`
	Since    *string `json:"since"`
	Updated  *string `json:"updated"`
	Expires  *string `json:"expires,omitzero"`
	Stale    bool    `json:"stale"`
	Fixed    bool    `json:"fixed,omitzero"`    // expires was asked for
	Vanishes bool    `json:"vanishes,omitzero"` // nothing is left after expires
}

// momentLayout is RFC 3339 with all nanoseconds, in UTC.
const momentLayout = "2006-01-02T15:04:05.000000000Z"

// Append appends the line of a presence, line feed included.
func Append(dst []byte, user domain.UserID, p *domain.Presence) ([]byte, error) {
	moment := func(t domain.Timestamp) *string {
		if t.IsZero() {
			return nil
		}
		return new(t.Time().Format(momentLayout))
	}
	text, err := json.Marshal(&line{
		User: new(string(user)), Protocol: new(p.Protocol.String()), Device: p.Device.String(), Status: new(p.Status.String()), Message: p.Message,
		Since: moment(p.Since), Updated: moment(p.Updated), Expires: moment(p.Expires), Stale: p.Stale, Fixed: p.Fixed, Vanishes: p.Vanishes,
	})
	if err != nil {
		return dst, err
	}
	return append(append(dst, text...), '\n'), nil
}

// Parse reads a line. An error says in one line what is wrong with it. Members that nobody knows and members that are there twice are
// among that, because something would get lost.
func Parse(text []byte) (domain.Change, error) {
	var l line
	if value := jsontext.Value(text); value.Kind() != '{' && value.IsValid() {
		return domain.Change{}, errors.New("expected an object: {...}")
	}
	if err := json.Unmarshal(text, &l, json.RejectUnknownMembers(true)); err != nil {
		return domain.Change{}, fault(err)
	}
	for _, member := range [...]struct {
		name  string
		value *string
	}{{"user", l.User}, {"protocol", l.Protocol}, {"status", l.Status}, {"since", l.Since}, {"updated", l.Updated}} {
		if member.value == nil {
			return domain.Change{}, fmt.Errorf("%s is missing", member.name)
		}
	}
	user, err := domain.ParseUserID(*l.User)
	faults := append(make([]error, 0, 8), in("user", err))
	p := domain.Presence{Message: l.Message, Stale: l.Stale, Fixed: l.Fixed, Vanishes: l.Vanishes}
	p.Protocol, err = domain.ParseProtocol(*l.Protocol)
	faults = append(faults, in("protocol", err))
	p.Device, err = domain.ParseDeviceID(l.Device)
	faults = append(faults, in("device", err))
	p.Status, err = domain.ParseStatus(*l.Status)
	faults = append(faults, in("status", err), in("message", domain.CheckMessage(l.Message)))
	faults = append(faults, in("since", setMoment(&p.Since, l.Since)), in("updated", setMoment(&p.Updated, l.Updated)), in("expires", setMoment(&p.Expires, l.Expires)))
	for _, fault := range faults {
		if fault != nil {
			return domain.Change{}, fault
		}
	}
	return domain.Change{User: user, Presence: p}, nil
}

// in names the member that an error is about.
func in(member string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", member, err)
}

// fault says what is wrong with a line that is not JSON, or has other members than it should.
func fault(err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%.40q is there twice", syntax.JSONPointer.LastToken())
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d: %.100q", syntax.ByteOffset, syntax.Err.Error())
	case errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("%.40q: there is no such member", semantic.JSONPointer.LastToken())
	case errors.As(err, &semantic):
		return fmt.Errorf("%.40q: a JSON %v is not what is expected", semantic.JSONPointer.LastToken(), semantic.JSONKind)
	}
	return errors.New("not JSON")
}

// setMoment reads a moment in any form that RFC 3339 has.
func setMoment(moment *domain.Timestamp, text *string) error {
	if text == nil {
		return nil
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(*text)); err != nil {
		return fmt.Errorf("expected a time such as 2026-11-23T09:14:30.123456789Z, got %.40q", *text)
	}
	*moment = domain.TimestampOf(t)
	if moment.IsZero() || !moment.Time().Equal(t) {
		return fmt.Errorf("%.40q is too far away, or is what stands for no time", *text)
	}
	return nil
}
