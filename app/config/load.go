package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Input is where the configuration comes from, each source over the one before it. All of them may be absent.
type Input struct {
	File        string         // a YAML file, or the original's presence.cfg
	Environ     []string       // as os.Environ returns it
	ReservedEnv []string       // variables that start with PRESENCE_ and are no keys
	Flags       *pflag.FlagSet // in which AddFlags has defined the keys' flags
}

// Loaded is what Load has found out besides the values.
type Loaded struct {
	schema *schema
	origin map[string]string
	file   string
	legacy bool     // the file is a presence.cfg
	notes  []string // what is strange about the file
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error is Faults, each of which
// names its place; nothing is written then. What the values mean is not looked at: that is Validate's part.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	loaded := &Loaded{schema: s, origin: map[string]string{}, file: in.File}
	file, faults := loaded.readFile(in.File)
	env, envFaults := s.readEnv(in.Environ, in.ReservedEnv)
	flags, flagFaults := s.readFlags(in.Flags)
	faults = append(append(faults, envFaults...), flagFaults...)
	if len(faults) > 0 {
		return nil, faults
	}
	if err := loaded.apply(file, env, flags); err != nil {
		return nil, err
	}
	return loaded, nil
}

func (l *Loaded) readFile(name string) (found layer, faults Faults) {
	if name == "" {
		return newLayer(), nil
	}
	data, err := readFile(name)
	if err != nil {
		return newLayer(), Faults{{Where: name, Err: fmt.Errorf("cannot read the configuration: %w", err)}}
	}
	if l.legacy = isLegacy(name, data); l.legacy {
		found, l.notes, faults = l.schema.readLegacy(name, data)
		return found, faults
	}
	return l.schema.readYAML(name, data)
}

// apply lays the layers over each other and writes what comes out. A layer that sets a secret, itself or by its file, sets it whichever
// way the layers below have.
func (l *Loaded) apply(layers ...layer) error {
	ko := koanf.New(".")
	secrets := l.schema.secretsWithFiles()
	for _, layer := range layers {
		for _, secret := range secrets {
			if secret.setBy(layer) {
				for _, key := range []string{secret.direct.name, secret.file.name} {
					ko.Delete(key)
					delete(l.origin, key)
				}
			}
		}
		if err := ko.Load(confmap.Provider(layer.values, "."), nil); err != nil {
			return err
		}
		for key, origin := range layer.origin {
			l.origin[key] = origin
		}
	}
	for _, leaf := range l.schema.leaves {
		if ko.Exists(leaf.name) {
			leaf.set(ko.Get(leaf.name))
		}
	}
	return nil
}

// Validate calls Validate of the sections that chosen approves of and returns what they find as Faults, each with the place
// where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	var faults Faults
	for _, section := range l.schema.sections {
		v, ok := section.Config.(interface{ Validate() error })
		if !ok || !chosen(section.Name) {
			continue
		}
		for _, err := range split(v.Validate()) {
			faults = append(faults, l.locate(err))
		}
	}
	return faults.orNil()
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about the sections that
// chosen approves of. A section with a method Warnings() []string says itself what there is to know about values that are
// accepted; each of its texts starts with the key, as Validate's do.
func (l *Loaded) Warnings(chosen func(section string) bool) []string {
	warnings := slices.Clone(l.notes)
	for _, section := range l.schema.sections {
		if v, ok := section.Config.(interface{ Warnings() []string }); ok && chosen(section.Name) {
			for _, text := range v.Warnings() {
				warnings = append(warnings, l.locateWarning(text))
			}
		}
	}
	for _, secret := range l.schema.secretsWithFiles() {
		if chosen(secret.file.section) {
			warnings = append(warnings, secret.warnings(l.origin)...)
		}
	}
	return warnings
}

func (l *Loaded) locateWarning(text string) string {
	key, _, _ := strings.Cut(text, ": ")
	if l.legacy && key == legacyRule && l.origin[key] == l.file {
		text += legacyRuleNote
	}
	return Fault{Where: l.origin[key], Err: errors.New(text)}.Error()
}

// split takes a joined error apart.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var errs []error
	for _, one := range joined.Unwrap() {
		errs = append(errs, split(one)...)
	}
	return errs
}

// locate finds the place of the value that a section's fault is about: the fault's text starts with the key.
func (l *Loaded) locate(err error) Fault {
	key, _, _ := strings.Cut(err.Error(), ": ")
	if l.legacy && key == "auth.secret" && l.origin["auth.secret"] != "" {
		err = errors.Join(err, errLegacyWeak)
	}
	return Fault{Where: l.origin[key], Err: oneLine{err}}
}

// oneLine is an error whose text is on one line, whatever it wraps.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e oneLine) Unwrap() error { return e.error }
