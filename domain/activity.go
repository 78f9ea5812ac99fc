package domain

import (
	"fmt"
	"slices"
)

// Activity says what a user is doing, in a word of RFC 4480 (RPID), section 3.2, such as meeting or on-the-phone. It explains a status and
// decides nothing. The zero value says nothing.
type Activity uint8

// The activities that the daemon's own protocols report. There are more: see Activities.
const (
	NoActivity Activity = iota
	OnThePhone
	Meeting
	Vacation
)

// activityNames has the words of RFC 4480. Each keeps its place: the store has the number.
var activityNames = [...]string{
	NoActivity: "", OnThePhone: "on-the-phone", Meeting: "meeting", Vacation: "vacation",
	"appointment", "away", "breakfast", "busy", "dinner", "holiday", "in-transit", "looking-for-work", "lunch", "meal", "other", "performance",
	"permanent-absence", "playing", "presentation", "shopping", "sleeping", "spectator", "steering", "travel", "tv", "unknown", "working", "worship",
}

// Activities lists the words that ParseActivity reads, in alphabetical order.
func Activities() []string {
	names := slices.Clone(activityNames[1:])
	slices.Sort(names)
	return names
}

// ParseActivity reads a word of RFC 4480. The empty text is NoActivity; any other text is an ErrUnknownActivity that quotes it.
func ParseActivity(name string) (Activity, error) {
	if i := slices.Index(activityNames[:], name); i >= 0 {
		return Activity(i), nil //nolint:gosec // there are fewer than 256
	}
	return NoActivity, fmt.Errorf("%w %s: must be a word of RFC 4480 such as meeting, on-the-phone or vacation", ErrUnknownActivity, quote(name))
}

// String returns the word that ParseActivity reads.
func (a Activity) String() string {
	if int(a) < len(activityNames) {
		return activityNames[a]
	}
	return fmt.Sprintf("Activity(%d)", uint8(a))
}

// Known reports whether a is one of the words.
func (a Activity) Known() bool { return int(a) < len(activityNames) }
