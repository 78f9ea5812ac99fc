package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	Where string // file:line, environment variable, or flag; empty if it is the default or nothing at all
	Key   string // the key as it was written there; empty if the fault is no single key's
	Err   error  // why, and what was expected. Never contains a secret.
}

// Error names the place, the key and the reason.
func (f Fault) Error() string {
	parts := make([]string, 0, 3)
	for _, part := range []string{f.Where, printable(f.Key), f.Err.Error()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// printable quotes a key that somebody has not meant to be one.
func printable(key string) string {
	if quoted := quote(key); len(quoted) > len(key)+2 || quoted[1:len(quoted)-1] != key {
		return quoted
	}
	return key
}

// Unwrap returns the reason.
func (f Fault) Unwrap() error { return f.Err }

// Faults is everything that is wrong with the configuration, one line each.
type Faults []Fault

// Error writes a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is and errors.As look into each fault.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

// orNil keeps an empty list from becoming a non-nil error.
func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func (f *Faults) add(where, key, format string, args ...any) {
	*f = append(*f, Fault{Where: where, Key: key, Err: fmt.Errorf(format, args...)})
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
