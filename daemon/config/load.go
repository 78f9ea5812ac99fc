package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	koanfmaps "github.com/knadh/koanf/maps"
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
	schema   *schema
	file     string
	legacy   bool              // the file is a presence.cfg
	origin   map[string]string // where each key was set
	files    map[string]string // the name that each key x_file holds
	notes    []note            // what is strange
	deferred []deferred        // faults that count only if their section is in use
}

type note struct{ section, text string }

type deferred struct {
	section, key string // without the suffix of a file
	fault        Fault
}

// layer is what one source of configuration sets.
type layer struct {
	values map[string]any    // nested
	origin map[string]string // where each key was set, by its dotted name
	files  map[string]string // the name that each key x_file holds
}

func newLayer() layer {
	return layer{values: map[string]any{}, origin: map[string]string{}, files: map[string]string{}}
}

func (l layer) set(key *Key, where, value string) {
	l.origin[key.Name] = where
	if strings.HasSuffix(key.Name, fileSuffix) {
		l.files[key.Name] = value
	}
}

// where tells where a key, or the nearest thing around it, was set.
func where(origin map[string]string, key string) string {
	for key != "" && origin[key] == "" {
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return origin[key]
}

// line is the number of the line in the file where a fault is, or 0.
func line(f Fault) (number int) {
	_, last, _ := strings.Cut(f.Where, ":")
	_, _ = fmt.Sscanf(last, "%d", &number)
	return number
}

// schema is what keys there are.
type schema struct {
	sections []Section
	keys     []Key
}

func newSchema(sections []Section) (*schema, error) {
	keys, err := allKeys(sections)
	if !slices.ContainsFunc(sections, func(s Section) bool { return s.Name == "" }) {
		sections = append(slices.Clone(sections), Section{Config: &struct{}{}}) // what stands at the top level is unknown
	}
	return &schema{sections, keys}, err
}

func (s *schema) key(name string) *Key {
	if i := slices.IndexFunc(s.keys, func(k Key) bool { return k.Name == name }); i >= 0 {
		return &s.keys[i]
	}
	return nil
}

func (s *schema) hasSection(name string) bool {
	return name != "" && slices.ContainsFunc(s.sections, func(section Section) bool { return section.Name == name })
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error is Faults, each of which
// names its place; nothing is written then. What the values mean is not looked at: that is Validate's part.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	l := &Loaded{schema: s, file: in.File, origin: map[string]string{}, files: map[string]string{}}
	file, faults := l.readFile(in.File)
	env, envFaults := s.readEnv(in.Environ, in.ReservedEnv)
	flags, flagFaults := s.readFlags(in.Flags)
	faults = append(append(faults, envFaults...), flagFaults...)
	all := koanf.New(".")
	for _, layer := range []layer{file, env, flags} {
		l.dropObsolete(layer)
		faults = append(faults, s.check(layer)...)
		if err := l.merge(all, layer); err != nil {
			return nil, err
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return l, l.write(all)
}

func (l *Loaded) readFile(name string) (layer, Faults) {
	if name == "" {
		return newLayer(), nil
	}
	data, err := readFile(name)
	if err != nil {
		return newLayer(), Faults{{Where: name, Err: fmt.Errorf("cannot read the configuration: %w", err)}}
	}
	if l.legacy = isLegacy(name, data); l.legacy {
		found, warnings, faults := l.schema.readLegacy(name, data)
		for _, warning := range warnings {
			l.notes = append(l.notes, note{"", warning})
		}
		return found, faults
	}
	return l.schema.readYAML(name, data)
}

// dropObsolete takes out the keys that mean nothing any more.
func (l *Loaded) dropObsolete(layer layer) {
	for _, key := range l.schema.keys {
		if place := layer.origin[key.Name]; key.obsolete != "" && place != "" {
			koanfmaps.Delete(layer.values, strings.Split(key.Name, "."))
			text := Fault{place, key.Name, errors.New("ignored, it means nothing any more: " + key.obsolete)}.Error()
			l.notes = append(l.notes, note{"", text})
		}
	}
}

// check decodes a layer by itself, so that all of its faults are told, also those of values that a later layer replaces.
func (s *schema) check(layer layer) (faults Faults) {
	ko := koanf.New(".")
	if err := ko.Load(confmap.Provider(layer.values, ""), nil); err != nil {
		return Faults{{Err: err}}
	}
	_ = s.decode(ko, decoder{}, func(section Section, fault keyFault) {
		key := join(section.Name, fault.key)
		faults = append(faults, Fault{where(layer.origin, key), key, fault.err})
	})
	slices.SortStableFunc(faults, func(a, b Fault) int { return line(a) - line(b) })
	return faults
}

// decode decodes every section into a copy of its struct, tells each fault, and returns the copies.
func (s *schema) decode(ko *koanf.Koanf, d decoder, tell func(Section, keyFault)) []reflect.Value {
	top := koanf.New(".")
	_ = top.Load(confmap.Provider(ko.Raw(), ""), nil) // it does not fail
	for _, section := range s.sections {
		if section.Name != "" {
			top.Delete(section.Name)
		}
	}
	copies := make([]reflect.Value, len(s.sections))
	for i, section := range s.sections {
		from := top
		if section.Name != "" {
			from = ko
		}
		config := reflect.ValueOf(section.Config).Elem()
		copies[i] = reflect.New(config.Type())
		copies[i].Elem().Set(config)
		if section.Name != "" && !ko.Exists(section.Name) {
			continue
		}
		unknown := func(path, key string) error { return s.unknownKey(section, config.Type(), path, key) }
		for _, fault := range explain(d.decode(from, section.Name, copies[i].Interface()), unknown) {
			tell(section, fault)
		}
	}
	return copies
}

// merge lays a layer over those before it. A layer that sets a secret, itself or by its file, sets it whichever way the layers below have.
func (l *Loaded) merge(all *koanf.Koanf, layer layer) error {
	over := koanf.New(".")
	if err := over.Load(confmap.Provider(layer.values, ""), nil); err != nil {
		return err
	}
	for _, key := range l.schema.keys {
		if key.kind == secretType {
			l.replaceSecret(all, over, layer, key)
		}
	}
	maps.Copy(l.origin, layer.origin)
	maps.Copy(l.files, layer.files)
	return all.Merge(over)
}

func (l *Loaded) replaceSecret(all, over *koanf.Koanf, layer layer, secret Key) {
	both := []string{secret.Name, secret.Name + fileSuffix}
	set := slices.IndexFunc(both, func(name string) bool { return !isEmpty(over.Get(name)) })
	if set < 0 {
		return // a variable without a value is often just left over
	}
	for _, name := range both {
		if !isEmpty(all.Get(name)) {
			fault := Fault{layer.origin[both[set]], both[set], errors.New("it takes the place of the secret that is set by " + l.origin[name])}
			l.notes = append(l.notes, note{secret.section, fault.Error()})
		}
		all.Delete(name)
		delete(l.origin, name)
		delete(l.files, name)
	}
}

// write decodes everything, reads the files that it names, and fills the sections' structs.
func (l *Loaded) write(all *koanf.Koanf) error {
	var faults Faults
	configs := l.schema.decode(all, decoder{read: true}, func(section Section, fault keyFault) {
		key := join(section.Name, fault.key)
		found := Fault{where(l.origin, key), key, fault.err}
		var file fileError
		if errors.As(fault.err, &file) {
			if secret := strings.TrimSuffix(key, file.suffix); errors.Is(file, errBoth) {
				found.Err = fmt.Errorf("%s %w", secret, file)
			}
			l.deferred = append(l.deferred, deferred{section.Name, strings.TrimSuffix(key, file.suffix), found})
		} else {
			faults = append(faults, found)
		}
	})
	if len(faults) > 0 {
		return faults
	}
	for i, section := range l.schema.sections {
		reflect.ValueOf(section.Config).Elem().Set(configs[i].Elem())
	}
	return nil
}

// File returns the name of the file that a key of a secret, such as auth.secret_file, holds.
func (l *Loaded) File(key string) string { return l.files[key] }

// Validate returns, as Faults, what is wrong with the files that the sections name of which chosen approves, and what their Validate
// finds, each with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	var faults Faults
	unread := map[string]bool{}
	for _, d := range l.deferred {
		if chosen(d.section) {
			faults, unread[d.key] = append(faults, d.fault), true
		}
	}
	for _, section := range l.schema.sections {
		v, ok := section.Config.(interface{ Validate() error })
		if !ok || !chosen(section.Name) {
			continue
		}
		for _, err := range split(v.Validate()) {
			if key, _, _ := strings.Cut(err.Error(), ": "); !unread[key] {
				faults = append(faults, l.locate(key, err))
			}
		}
	}
	return faults.orNil()
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about the sections that
// chosen approves of. A section with a method Warnings() []string says itself what there is to know about values that are
// accepted; each of its texts starts with the key, as Validate's do.
func (l *Loaded) Warnings(chosen func(section string) bool) []string {
	var warnings []string
	for _, note := range l.notes {
		if chosen(note.section) || note.section == "" {
			warnings = append(warnings, note.text)
		}
	}
	for _, section := range l.schema.sections {
		if v, ok := section.Config.(interface{ Warnings() []string }); ok && chosen(section.Name) {
			for _, text := range v.Warnings() {
				key, _, _ := strings.Cut(text, ": ")
				if l.legacy && key == legacyRule && l.origin[key] == l.file {
					text += legacyRuleNote
				}
				warnings = append(warnings, l.locate(key, errors.New(text)).Error())
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.files)) {
		section, _, _ := strings.Cut(key, ".")
		if l.isSecretFile(key) && chosen(section) && worldReadable(l.files[key]) {
			open := fmt.Errorf("every user of this machine can read %s; run: chmod 600 %[1]s", l.files[key])
			warnings = append(warnings, Fault{l.origin[key], key, open}.Error())
		}
	}
	return warnings
}

// isSecretFile reports whether a key names the file of a secret, also below a list.
func (l *Loaded) isSecretFile(key string) bool {
	section, path, _ := strings.Cut(strings.TrimSuffix(key, fileSuffix), ".")
	i := slices.IndexFunc(l.schema.sections, func(s Section) bool { return s.Name == section })
	return i >= 0 && at(reflect.TypeOf(l.schema.sections[i].Config).Elem(), path) == secretType
}

func worldReadable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
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
func (l *Loaded) locate(key string, err error) Fault {
	if l.legacy && key == "auth.secret" && l.origin[key] != "" {
		err = errors.Join(err, errLegacyWeak)
	}
	place := l.origin[key]
	if file := l.files[key+fileSuffix]; file != "" {
		place = l.origin[key+fileSuffix] + ": " + key + fileSuffix + ": " + file
	}
	return Fault{Where: place, Err: oneLine{err}}
}

// oneLine is an error whose text is on one line, whatever it wraps.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e oneLine) Unwrap() error { return e.error }
