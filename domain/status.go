package domain

import (
	"fmt"
	"slices"
)

// Status says whether a user can be reached. There are exactly four, and their numeric order is their precedence: of
// several statuses that are true at once, the greatest is the one to show.
type Status uint8

// The four statuses, from the weakest to the one that wins over all others. Unavailable is the zero value: whoever is not
// known to be reachable is not.
const (
	Unavailable Status = iota
	Away
	Available
	Busy
)

var statusNames = [...]string{Unavailable: "unavailable", Away: "away", Available: "available", Busy: "busy"}

// Statuses lists all statuses, in order of precedence.
func Statuses() []Status { return []Status{Unavailable, Away, Available, Busy} }

// ParseStatus reads a status by its exact name. Any other text is an ErrUnknownStatus that quotes it.
func ParseStatus(name string) (Status, error) {
	if i := slices.Index(statusNames[:], name); i >= 0 {
		return Status(i), nil //nolint:gosec // there are four
	}
	return Unavailable, fmt.Errorf("%w %s: must be available, busy, away or unavailable", ErrUnknownStatus, quote(name))
}

// String returns the name that ParseStatus reads.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}
