package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with the configuration. Load and Validate join them with errors.Join.
type Fault struct {
	Where string // file:line, environment variable, or flag; empty if it is the default or nothing at all
	Key   string // the key as it was written there; empty if the fault is no single key's
	Err   error  // why, and what was expected. Never contains a secret.
}

// Error names the place, the key and the reason, on one line.
func (f Fault) Error() string {
	text := strings.ReplaceAll(f.Err.Error(), "\n", "; ")
	if key := quote(f.Key); key != `"`+f.Key+`"` {
		text = key + ": " + text // somebody has not meant it to be one
	} else if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Where != "" {
		text = f.Where + ": " + text
	}
	return text
}

// Unwrap returns the reason.
func (f Fault) Unwrap() error { return f.Err }

func faultf(where, key, format string, args ...any) Fault {
	return Fault{where, key, fmt.Errorf(format, args...)}
}

// line is the number of the line in a file where the fault is. What is in no file comes after all that is.
func (f Fault) line() int {
	number := math.MaxInt32
	_, last, _ := strings.Cut(f.Where, ":")
	_, _ = fmt.Sscanf(last, "%d", &number) // else it is in none
	return number
}

// joined makes one error of them, or nil.
func joined(faults []Fault) error {
	errs := make([]error, len(faults))
	for i, fault := range faults {
		errs[i] = fault
	}
	return errors.Join(errs...)
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
