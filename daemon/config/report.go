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

func (l *Loaded) fault(where, key string, err error) {
	l.faults = append(l.faults, at(where, key, err))
}

func (l *Loaded) note(where, key, format string, args ...any) {
	l.notes = append(l.notes, at(where, key, fmt.Errorf(format, args...)))
}

// ignores reports whether a key means nothing any more, and notes it.
func (l *Loaded) ignores(key Key, where string) bool {
	if key.obsolete != "" {
		l.note(where, key.Name, "ignored, it means nothing any more: %s", key.obsolete)
	}
	return key.obsolete != ""
}

// in returns those faults that are in sections of which chosen approves. A key without a section is in the one without a name.
func in(chosen func(section string) bool, faults []error) []error {
	return slices.DeleteFunc(slices.Clone(faults), func(err error) bool {
		section, _, found := strings.Cut(err.(fault).key, ".")
		return found && !chosen(section) || !found && !chosen("")
	})
}

// Validate returns what is wrong with the files that the sections name of which chosen approves, and what their Validate finds: a line for
// each fault, with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	faults := in(chosen, l.unread)
	for _, section := range l.sections {
		if v, ok := section.Config.(interface{ Validate() error }); ok && chosen(section.Name) {
			for line := range strings.SplitSeq(fmt.Sprint(v.Validate()), "\n") {
				if key, _, found := strings.Cut(line, ": "); found && !l.follows(section.Name, key) {
					faults = append(faults, l.located(line))
				}
			}
		}
	}
	return errors.Join(faults...)
}

// located adds to what a section says of a key, which it begins with, where the value was set.
func (l *Loaded) located(line string) error {
	key, _, _ := strings.Cut(line, ": ")
	v := valueOf(l.all, key)
	if v.File {
		v.Where += ": " + v.Key + ": " + v.text()
	}
	if l.legacy && strings.HasPrefix(v.Where, l.file) {
		line += legacyHints[key]
	}
	return at(v.Where, "", errors.New(line))
}

// follows reports whether what is wrong with a key may only follow from a fault that has been found in it, or in its section.
func (l *Loaded) follows(section, key string) bool {
	return slices.ContainsFunc(slices.Concat(l.faults, l.unread), func(err error) bool {
		at := err.(fault).key
		below, inKey := strings.CutPrefix(at, key)
		return at == section || inKey && (below == "" || below == fileSuffix || strings.ContainsAny(below[:1], ".["))
	})
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about the sections that
// chosen approves of. A section with a method Warnings() []string says itself what there is to know about values that are
// accepted; each of its texts starts with the key, as Validate's do.
func (l *Loaded) Warnings(chosen func(section string) bool) (warnings []string) {
	for _, note := range in(chosen, l.notes) {
		warnings = append(warnings, note.Error())
	}
	for _, section := range l.sections {
		if v, ok := section.Config.(interface{ Warnings() []string }); ok && chosen(section.Name) {
			for _, text := range v.Warnings() {
				warnings = append(warnings, l.located(text).Error())
			}
		}
	}
	return warnings
}
