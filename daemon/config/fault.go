package config

import (
	"fmt"
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

func faultf(where, key, format string, args ...any) error {
	return Fault{where, key, fmt.Errorf(format, args...)}
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
