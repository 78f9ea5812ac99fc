package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// fault is something that is wrong or strange, on one line: the place, the key and the reason.
type fault struct{ key, text string }

// Error returns the line.
func (f fault) Error() string { return f.text }

// at makes a fault. The place is file:line, an environment variable or a flag, or empty; the key is as it was written there, or empty.
func at(where, key string, err error) error {
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	for _, before := range []string{strings.Trim(quote(key), `"`), where} {
		if before != "" {
			line = before + ": " + line
		}
	}
	return fault{key, line}
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string { return fmt.Sprintf("%.60q", text) }

func keyOf(err error) string {
	f, _ := errors.AsType[fault](err)
	return f.key
}

func (l *Loaded) fault(where, key string, err error) {
	l.faults = append(l.faults, at(where, key, err))
}

func (l *Loaded) note(where, key, format string, args ...any) {
	l.notes = append(l.notes, at(where, key, fmt.Errorf(format, args...)))
}

// said returns those faults that are in sections of which chosen approves, and what these sections say themselves: lines that begin with a key.
func (l *Loaded) said(faults []error, chosen func(section string) bool, say func(config any) string) []error {
	said := slices.DeleteFunc(slices.Clone(faults), func(err error) bool {
		key := keyOf(err)
		return !chosen(key[:max(strings.Index(key, "."), 0)])
	})
	for _, section := range l.sections {
		for line := range strings.Lines(say(section.Config)) {
			key, _, _ := strings.Cut(line, ": ")
			if !chosen(section.Name) || l.follows(section.Name, key) {
				continue
			}
			v := l.current(key)
			if v.File {
				v.Where += ": " + v.Key + ": " + v.text()
			}
			line = strings.TrimSpace(line)
			if l.legacy && strings.HasPrefix(v.Where, l.file) {
				line += legacyHints[key]
			}
			said = append(said, at(v.Where, "", errors.New(line)))
		}
	}
	return said
}

// follows reports whether what is wrong with a key may only follow from a fault that has been found in it, or in its section.
func (l *Loaded) follows(section, key string) bool {
	return slices.ContainsFunc(slices.Concat(l.faults, l.unread), func(err error) bool {
		below, inKey := strings.CutPrefix(keyOf(err), key)
		return keyOf(err) == section || inKey && (below == "" || below == fileSuffix || strings.ContainsAny(below[:1], ".["))
	})
}

// Validate returns what is wrong with the files that the sections name of which chosen approves, and what their methods Validate() error, if
// they have them, find: a line for each fault, with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	return errors.Join(l.said(l.unread, chosen, func(config any) string {
		if v, ok := config.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return err.Error()
			}
		}
		return ""
	})...)
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about values that are accepted, as
// the methods Warnings() []string of those sections say of which chosen approves.
func (l *Loaded) Warnings(chosen func(section string) bool) (warnings []string) {
	for _, warning := range l.said(l.notes, chosen, func(config any) string {
		if v, ok := config.(interface{ Warnings() []string }); ok {
			return strings.Join(v.Warnings(), "\n")
		}
		return ""
	}) {
		warnings = append(warnings, warning.Error())
	}
	return warnings
}
