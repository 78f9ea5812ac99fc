// Package backup reads and writes the lines of an export, which the HTTP API and the commands share.
package backup

import (
	"errors"
	"fmt"

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
	User      string  `json:"user"`
	Protocol  string  `json:"protocol"`
	Device    string  `json:"device,omitzero"`
	Status    string  `json:"status"`
	Message   string  `json:"message"`
	Activity  string  `json:"activity,omitzero"`
	Since     string  `json:"since"`
	IdleSince *string `json:"idle_since,omitzero"`
	Updated   string  `json:"updated"`
	Expires   *string `json:"expires,omitzero"`
	Stale     bool    `json:"stale"`
	Fixed     bool    `json:"fixed,omitzero"`    // expires was asked for
	Vanishes  bool    `json:"vanishes,omitzero"` // nothing is left after expires
	Invisible bool    `json:"invisible,omitzero"`
}

// momentLayout is RFC 3339 with all nanoseconds, in UTC.
const momentLayout = "2006-01-02T15:04:05.000000000Z"

// Append appends the line of a presence, line feed included.
func Append(dst []byte, user domain.UserID, p *domain.Presence) ([]byte, error) {
	moment := func(t domain.Timestamp) string { return t.Time().Format(momentLayout) }
	l := line{
		User: string(user), Protocol: p.Protocol.String(), Device: p.Device.String(), Status: p.Status.String(),
		Message: p.Message, Activity: p.Activity.String(), Since: moment(p.Since), Updated: moment(p.Updated), Stale: p.Stale, Fixed: p.Fixed, Vanishes: p.Vanishes,
		Invisible: p.Invisible,
	}
	if !p.Expires.IsZero() {
		l.Expires = new(moment(p.Expires))
	}
	if !p.IdleSince.IsZero() {
		l.IdleSince = new(moment(p.IdleSince))
	}
	text, err := json.Marshal(&l)
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
	for _, member := range [...][2]string{{"user", l.User}, {"protocol", l.Protocol}, {"status", l.Status}, {"since", l.Since}, {"updated", l.Updated}} {
		if member[1] == "" {
			return domain.Change{}, fmt.Errorf("%s is missing", member[0])
		}
	}
	c := domain.Change{Presence: domain.Presence{Message: l.Message, Stale: l.Stale, Fixed: l.Fixed, Vanishes: l.Vanishes, Invisible: l.Invisible}}
	var first, err error
	check := func(member string) {
		if first == nil && err != nil {
			first = fmt.Errorf("%s: %w", member, err)
		}
	}
	c.User, err = domain.ParseUserID(l.User)
	check("user")
	c.Presence.Protocol, err = domain.ParseProtocol(l.Protocol)
	check("protocol")
	c.Presence.Device, err = domain.ParseDeviceID(l.Device)
	check("device")
	c.Presence.Status, err = domain.ParseStatus(l.Status)
	check("status")
	err = domain.CheckMessage(l.Message)
	check("message")
	c.Presence.Activity, err = domain.ParseActivity(l.Activity)
	check("activity")
	c.Presence.Since, err = parseMoment(l.Since)
	check("since")
	c.Presence.Updated, err = parseMoment(l.Updated)
	check("updated")
	if l.Expires != nil {
		c.Presence.Expires, err = parseMoment(*l.Expires)
		check("expires")
	}
	if l.IdleSince != nil {
		c.Presence.IdleSince, err = parseMoment(*l.IdleSince)
		check("idle_since")
	}
	if l.Invisible && l.Expires == nil {
		err = errors.New("it needs an end (expires)")
		check("invisible")
	}
	if first != nil {
		return domain.Change{}, first
	}
	return c, nil
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

// parseMoment reads a moment in any form that RFC 3339 has.
func parseMoment(text string) (domain.Timestamp, error) {
	t, err := domain.ParseTime(text)
	if err != nil {
		return 0, fmt.Errorf("expected a time such as 2026-11-23T09:14:30.123456789Z, got %.40q", text)
	}
	moment := domain.TimestampOf(t)
	if moment.IsZero() || !moment.Time().Equal(t) {
		return 0, fmt.Errorf("%.40q is too far away, or is what stands for no time", text)
	}
	return moment, nil
}
