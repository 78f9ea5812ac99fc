package config

import (
	"errors"
	"fmt"
	"slices"
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
	key, text := f.Key, strings.ReplaceAll(f.Err.Error(), "\n", "; ")
	if quoted := quote(key); quoted != `"`+key+`"` {
		key = quoted // somebody has not meant it to be one
	}
	for _, before := range []string{key, f.Where} {
		if before != "" {
			text = before + ": " + text
		}
	}
	return text
}

// Unwrap returns the reason.
func (f Fault) Unwrap() error { return f.Err }

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}

func (l *Loaded) fault(where, key string, err error) {
	l.faults = append(l.faults, Fault{where, key, err})
}

func (l *Loaded) note(where, key, format string, args ...any) {
	l.notes = append(l.notes, Fault{where, key, fmt.Errorf(format, args...)})
}

// ignores reports whether a key means nothing any more, and notes it.
func (l *Loaded) ignores(name, where string) bool {
	key := l.key(name)
	if key == nil || key.obsolete == "" {
		return false
	}
	l.note(where, name, "ignored, it means nothing any more: %s", key.obsolete)
	return true
}

// joined makes one error of them, or nil.
func joined(faults []Fault) error {
	errs := make([]error, len(faults))
	for i, fault := range faults {
		errs[i] = fault
	}
	return errors.Join(errs...)
}

// in returns those faults that are in the sections of which chosen approves.
func (s *schema) in(chosen func(section string) bool, faults []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return !chosen(s.section(f.Key)) })
}

// Validate returns what is wrong with the files that the sections name of which chosen approves, and what their Validate finds, as joined
// Faults, each with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	faults := l.in(chosen, l.unread)
	for _, section := range l.sections {
		if v, ok := section.Config.(interface{ Validate() error }); ok && chosen(section.Name) {
			for _, err := range split(v.Validate()) {
				if key, fault := l.located(err); !l.follows(section.Name, key) {
					faults = append(faults, fault)
				}
			}
		}
	}
	return joined(faults)
}

// located adds to what a section says of a key, which its text begins with, where the value was set.
func (l *Loaded) located(err error) (key string, located Fault) {
	key, _, _ = strings.Cut(err.Error(), ": ")
	v := valueOf(l.all, key)
	if v.File {
		v.Where += ": " + v.Key + ": " + v.text()
	}
	if l.legacy && strings.HasPrefix(v.Where, l.file) {
		err = fmt.Errorf("%w%s", err, legacyHints[key])
	}
	return key, Fault{Where: v.Where, Err: err}
}

// follows reports whether what is wrong with a key may only follow from a fault that has been found in it, or in its section.
func (l *Loaded) follows(section, key string) bool {
	return slices.ContainsFunc(slices.Concat(l.faults, l.unread), func(f Fault) bool {
		below, inKey := strings.CutPrefix(f.Key, key)
		return f.Key == section || inKey && (below == "" || below == fileSuffix || strings.ContainsAny(below[:1], ".["))
	})
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about the sections that
// chosen approves of. A section with a method Warnings() []string says itself what there is to know about values that are
// accepted; each of its texts starts with the key, as Validate's do.
func (l *Loaded) Warnings(chosen func(section string) bool) (warnings []string) {
	for _, note := range l.in(chosen, l.notes) {
		warnings = append(warnings, note.Error())
	}
	for _, section := range l.sections {
		if v, ok := section.Config.(interface{ Warnings() []string }); ok && chosen(section.Name) {
			for _, text := range v.Warnings() {
				_, located := l.located(errors.New(text))
				warnings = append(warnings, located.Error())
			}
		}
	}
	return warnings
}

// split takes a joined error apart.
func split(err error) (errs []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			errs = append(errs, split(one)...)
		}
	} else if err != nil {
		errs = append(errs, err)
	}
	return errs
}
