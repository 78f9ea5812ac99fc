package domain

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What can be wrong with what somebody asks for. Errors of this package and of the use cases wrap one of these, so that
// whoever faces the outside world can tell them apart with errors.Is.
var (
	ErrInvalidUser     = errors.New("invalid user")
	ErrUnknownGroup    = errors.New("unknown group")
	ErrUnknownProtocol = errors.New("unknown protocol")
	ErrInvalidProtocol = errors.New("invalid protocol name")
	ErrInvalidDevice   = errors.New("invalid device")
	ErrUnknownStatus   = errors.New("unknown status")
	ErrUnknownActivity = errors.New("unknown activity")
	ErrInvalidMessage  = errors.New("invalid message")
	ErrInvalidUntil    = errors.New("invalid end")
	ErrInvalidIdle     = errors.New("invalid idle time")
	ErrInvisible       = errors.New("cannot make invisible")
	ErrReadOnly        = errors.New("read-only protocol")
	ErrForbidden       = errors.New("not allowed")
	ErrUnauthenticated = errors.New("not authenticated")
)

// Field names the part of an Update or a query entry that a Problem is about.
type Field uint8

// The parts of an Update that can be wrong.
const (
	FieldUser Field = iota
	FieldProtocol
	FieldStatus
	FieldMessage
	FieldUntil
	FieldDevice
	FieldActivity
	FieldIdleSince
	FieldInvisible
	FieldGroup
)

// Problem says what is wrong with one entry of a request.
type Problem struct {
	Index int   // which entry, counted from 0
	Field Field // which part of it
	Err   error // why, naming the value at fault; wraps one of this package's errors
}

// Problems is the error of a request that was not carried out at all because at least one entry is wrong. It names every
// offending entry, in the order of the request.
type Problems []Problem

// Error lists the problems, at most the first ten.
func (p Problems) Error() string {
	const most = 10
	var b strings.Builder
	for i, problem := range p {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(p)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "entry %d: %v", problem.Index, problem.Err)
	}
	return b.String()
}

// Unwrap makes errors.Is find the reasons.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i := range p {
		errs[i] = p[i].Err
	}
	return errs
}

// OrNil returns p as an error, or nil when there is no problem: an empty Problems in an error interface would not be nil.
func (p Problems) OrNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// quote renders outside text for an error message: printable, and short even if the text is not.
func quote(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + fmt.Sprintf("... (%d bytes)", len(s))
}

// UnknownGroup is the ErrUnknownGroup for a name that no group has, or none with anybody whom the asking principal may see.
func UnknownGroup(name string) error { return fmt.Errorf("%w %s", ErrUnknownGroup, quote(name)) }

// UnknownProtocol is the ErrUnknownProtocol for a name that none of the protocols has that are on.
func UnknownProtocol(name string, on []string) error {
	return fmt.Errorf("%w %s: on are %s; the daemon's configuration decides (protocols, clients, and enabled in a protocol's section)",
		ErrUnknownProtocol, quote(name), cmp.Or(strings.Join(on, ", "), "none"))
}

// ReadOnly is the ErrReadOnly for an update of a user's presence on a protocol that clients cannot set.
func ReadOnly(protocol Protocol, user UserID) error {
	return fmt.Errorf("%w: %s tells the presence of %s itself, it cannot be set", ErrReadOnly, protocol, user)
}
