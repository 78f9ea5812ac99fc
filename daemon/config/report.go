package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fault is something that is wrong or strange, on one line: the place, the key and the reason.
type fault struct{ key, text string }

// Error returns the line.
func (f fault) Error() string { return f.text }

// at makes a fault. The place is file:line, an environment variable or a flag, or empty; the key is as it was written there, or empty.
func at(where, key string, err error) error {
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	named := key
	if quoted := quote(key); quoted != `"`+key+`"` {
		named = quoted // somebody has not meant it to be one
	}
	for _, before := range []string{named, where} {
		if before != "" {
			line = before + ": " + line
		}
	}
	return fault{key, line}
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}

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
			for _, err := range split(v.Validate()) {
				if key, _, _ := strings.Cut(err.Error(), ": "); !l.follows(section.Name, key) {
					faults = append(faults, l.located(key, err))
				}
			}
		}
	}
	return errors.Join(faults...)
}

// located adds to what a section says of a key where the value was set.
func (l *Loaded) located(key string, err error) error {
	v := valueOf(l.all, key)
	where := v.Where
	if v.File {
		where += ": " + v.Key + ": " + v.text()
	}
	if l.legacy && strings.HasPrefix(where, l.file) {
		err = fmt.Errorf("%w%s", err, legacyHints[key])
	}
	return at(where, "", err)
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
				key, _, _ := strings.Cut(text, ": ")
				warnings = append(warnings, l.located(key, errors.New(text)).Error())
			}
		}
	}
	return warnings
}

// split takes a joined error apart.
func split(err error) (errs []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case ok:
		for _, one := range joined.Unwrap() {
			errs = append(errs, split(one)...)
		}
	case err != nil:
		errs = append(errs, err)
	}
	return errs
}
