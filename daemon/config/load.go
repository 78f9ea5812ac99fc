package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	koanfmaps "github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/setting"
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
	layer
	schema *schema
	file   string
	legacy bool // the file is a presence.cfg
	notes  []note
	unread []Fault         // of files that keys name; they count only if the section is in use
	faulty map[string]bool // keys of which the value is not known
}

// note is something strange about a section, or about the whole.
type note struct{ section, text string }

func (l *Loaded) note(section string, err Fault) {
	l.notes = append(l.notes, note{section, err.Error()})
}

// layer is what one source of configuration sets.
type layer struct {
	values map[string]any    // nested
	origin map[string]string // where each key was set, by its path
	files  map[string]string // the values of keys that may name a secret's file
}

func newLayer() layer {
	return layer{values: map[string]any{}, origin: map[string]string{}, files: map[string]string{}}
}

func (l layer) set(path, where, value string) {
	l.origin[path] = where
	if strings.HasSuffix(path, fileSuffix) {
		l.files[path] = value
	}
}

// where tells where a key, or the nearest thing around it, was set.
func (l *Loaded) where(path string) string {
	for path != "" && l.origin[path] == "" {
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return cmp.Or(l.origin[path], l.file)
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error joins Faults, each of which
// names its place; a key at fault keeps its default. What the values mean is not looked at: that is Validate's part. If Load returns an error and
// a Loaded, Validate tells what is wrong besides.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	l := &Loaded{layer: newLayer(), schema: s, file: in.File, faulty: map[string]bool{}}
	file, faults := l.readFile(in.File)
	env, envFaults := s.readEnv(in.Environ, in.ReservedEnv)
	all := koanf.New(".")
	for _, layer := range []layer{file, env, s.readFlags(in.Flags)} {
		if err := l.merge(all, layer); err != nil {
			return nil, err
		}
	}
	err = l.decode(all, append(faults, envFaults...))
	if len(faults) > 0 && len(file.origin) == 0 { // nothing of the file could be read, so Validate would miss things
		return nil, err
	}
	return l, err
}

// MaxFile is the largest configuration file that is read, in bytes. A larger one is surely something else.
const MaxFile = 1 << 20

func (l *Loaded) readFile(name string) (layer, []Fault) {
	if name == "" {
		return newLayer(), nil
	}
	data, err := setting.ReadFile(name, MaxFile)
	if err == nil && !utf8.Valid(data) {
		err = fmt.Errorf("%s: it is not UTF-8 text", name)
	}
	if err != nil {
		return newLayer(), []Fault{faultf("", "", "cannot read the configuration: %w", err)}
	}
	if l.legacy = isLegacy(name, data); l.legacy {
		return l.readLegacy(name, data)
	}
	return l.schema.readYAML(name, data)
}

// isLegacy tells the original's presence.cfg from YAML: by the extension, and failing that by the first line that says something.
func isLegacy(name string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".cfg":
		return true
	case ".yaml", ".yml":
		return false
	}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			equals, colon := bytes.IndexByte(line, '='), bytes.IndexByte(line, ':')
			return equals > 0 && (colon < 0 || equals < colon)
		}
	}
	return false
}

// merge lays a layer over those before it, without the keys that mean nothing any more.
func (l *Loaded) merge(all *koanf.Koanf, layer layer) error {
	for _, key := range l.schema.keys {
		if place := layer.origin[key.Name]; key.obsolete != "" && place != "" {
			koanfmaps.Delete(layer.values, strings.Split(key.Name, "."))
			l.note("", faultf(place, key.Name, "ignored, it means nothing any more: %s", key.obsolete))
		}
	}
	over := koanf.New(".")
	if err := over.Load(confmap.Provider(layer.values, ""), nil); err != nil {
		return err
	}
	for _, key := range l.schema.keys {
		if key.kind == secretType {
			l.replaceSecret(all, over, layer, key.Name)
		}
	}
	maps.Copy(l.origin, layer.origin)
	maps.Copy(l.files, layer.files)
	return all.Merge(over)
}

// replaceSecret takes a secret of earlier layers away, whichever way they set it, if a layer sets it, whichever way.
func (l *Loaded) replaceSecret(all, over *koanf.Koanf, layer layer, secret string) {
	both := []string{secret, secret + fileSuffix}
	set := slices.IndexFunc(both, func(name string) bool { return !isEmpty(over.Get(name)) })
	if set < 0 {
		return // a variable without a value is often just left over
	}
	for _, name := range both {
		if !isEmpty(all.Get(name)) {
			l.note(l.schema.section(secret), faultf(layer.origin[both[set]], both[set], "it takes the place of the secret that is set by %s", l.origin[name]))
		}
		all.Delete(name)
		delete(l.origin, name)
		delete(l.files, name)
	}
}

// decode fills the sections' structs.
func (l *Loaded) decode(all *koanf.Koanf, faults []Fault) error {
	root := reflect.New(l.schema.root)
	for i, section := range l.schema.sections {
		root.Elem().Field(i).Set(reflect.ValueOf(section.Config).Elem())
	}
	l.schema.decode(all, root.Interface(), func(path string, err error) {
		var file errFile
		if errors.As(err, &file) {
			l.faulty[path] = true
			path += file.suffix
			l.unread = append(l.unread, Fault{l.where(path), path, err})
		} else {
			faults = append(faults, Fault{l.where(path), path, err})
		}
	})
	for _, fault := range faults {
		key, _, _ := strings.Cut(fault.Key, "[")
		l.faulty[key] = true
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Or(a.line()-b.line(), strings.Compare(a.Key, b.Key)) })
	for i, section := range l.schema.sections {
		reflect.ValueOf(section.Config).Elem().Set(root.Elem().Field(i))
	}
	return joined(faults)
}

// Validate returns what is wrong with the files that the sections name of which chosen approves, and what their Validate finds, as joined
// Faults, each with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	var faults []Fault
	for _, fault := range l.unread {
		if chosen(l.schema.section(fault.Key)) {
			faults = append(faults, fault)
		}
	}
	for _, section := range l.schema.sections {
		v, ok := section.Config.(interface{ Validate() error })
		if !ok || !chosen(section.Name) {
			continue
		}
		for _, err := range split(v.Validate()) {
			if key, _, _ := strings.Cut(err.Error(), ": "); !l.faulty[key] && !l.faulty[section.Name] {
				faults = append(faults, l.locate(key, err))
			}
		}
	}
	return joined(faults)
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about the sections that
// chosen approves of. A section with a method Warnings() []string says itself what there is to know about values that are
// accepted; each of its texts starts with the key, as Validate's do.
func (l *Loaded) Warnings(chosen func(section string) bool) (warnings []string) {
	for _, note := range l.notes {
		if note.section == "" || chosen(note.section) {
			warnings = append(warnings, note.text)
		}
	}
	for _, section := range l.schema.sections {
		if v, ok := section.Config.(interface{ Warnings() []string }); ok && chosen(section.Name) {
			for _, text := range v.Warnings() {
				key, _, _ := strings.Cut(text, ": ")
				warnings = append(warnings, l.locate(key, errors.New(text)).Error())
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.files)) {
		if at(l.schema.root, strings.TrimSuffix(key, fileSuffix)) == secretType && chosen(l.schema.section(key)) && worldReadable(l.files[key]) {
			open := faultf(l.origin[key], key, "every user of this machine can read %s; run: chmod 600 %[1]s", l.files[key])
			warnings = append(warnings, open.Error())
		}
	}
	return warnings
}

func worldReadable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}

// File returns the name of the file that a key of a secret, such as auth.secret_file, holds.
func (l *Loaded) File(key string) string { return l.files[key] }

// locate finds the place of the value that a section's fault or warning is about: the text starts with the key.
func (l *Loaded) locate(key string, err error) Fault {
	place := l.origin[key]
	if file := l.files[key+fileSuffix]; file != "" {
		place = l.origin[key+fileSuffix] + ": " + key + fileSuffix + ": " + file
	}
	return Fault{Where: place, Err: fmt.Errorf("%w%s", err, l.legacyHint(key))}
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
