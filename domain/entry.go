package domain

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// StatusEntry is a status that a site offers its people, such as Lunch: who picks it sets all of it at once. Make it with NewStatusEntry.
type StatusEntry struct {
	Label    string // what people read, and the message of who picks it
	Status   Status
	Activity Activity
	For      time.Duration // whole seconds; 0: until it is changed
}

// MaxLabel is the longest label of a StatusEntry, in characters: it has to fit a button.
const MaxLabel = 40

// MaxEntryFor is the longest time of a StatusEntry.
const MaxEntryFor = 366 * 24 * time.Hour

// NewStatusEntry makes an entry from words: those of ParseStatus and ParseActivity, and a label of one line. The error says all that is wrong.
func NewStatusEntry(label, status, activity string, lasts time.Duration) (StatusEntry, error) {
	var faults []error
	if label != strings.TrimSpace(label) || label == "" || !utf8.ValidString(label) || utf8.RuneCountInString(label) > MaxLabel ||
		strings.ContainsFunc(label, unicode.IsControl) {
		faults = append(faults, fmt.Errorf("label: must be a line of at most %d characters, without blanks around it", MaxLabel))
	}
	is, err := ParseStatus(status)
	if err != nil {
		faults = append(faults, fmt.Errorf("status: %w", err))
	}
	doing, err := ParseActivity(activity)
	if err != nil {
		faults = append(faults, fmt.Errorf("activity: %w", err))
	}
	if lasts < 0 || lasts > MaxEntryFor || lasts%time.Second != 0 {
		faults = append(faults, fmt.Errorf("for: must be from 1s to %v in whole seconds, or 0s for no end; it is %v", MaxEntryFor, lasts))
	}
	return StatusEntry{Label: label, Status: is, Activity: doing, For: lasts}, errors.Join(faults...)
}
