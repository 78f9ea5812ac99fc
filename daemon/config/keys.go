package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/setting"
)

// Section is a part of the configuration that belongs together.
type Section struct {
	// Name is the key under which the section stands. Empty: its keys stand at the top level.
	Name string
	// Config points to a struct that holds the defaults, into which Load writes. Its methods Validate() error and Warnings() []string,
	// if it has them, are what Loaded calls.
	Config any
	// Obsolete are keys that mean nothing any more, and why. They are named in a warning.
	Obsolete map[string]string
}

// Key describes one configuration key.
type Key struct {
	Name    string // dotted, e.g. http.listen
	Type    string // string, bool, int, duration, size, list or map
	Default string // as it is written in the environment or as a flag; empty for a secret
	Help    string // one line
	Env     string // the environment variable that sets it; empty if only the file can
	Flag    string // the flag that sets it, with its dashes; empty for a secret, and if only the file can
	Secret  bool

	section  string
	kind     reflect.Type
	value    reflect.Value // the default
	obsolete string        // why it means nothing any more
}

// Keys lists the keys of the sections, in the order of their fields. An error means that a section's type cannot be one.
func Keys(sections ...Section) ([]Key, error) {
	keys, err := allKeys(sections)
	return slices.DeleteFunc(keys, func(k Key) bool { return k.obsolete != "" }), err
}

func allKeys(sections []Section) ([]Key, error) {
	var keys []Key
	seen := map[string]bool{}
	for _, section := range sections {
		v := reflect.ValueOf(section.Config)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("section %q: its configuration is a %T, not a pointer to a struct", section.Name, section.Config)
		}
		for _, f := range fields(v.Elem()) {
			keys = append(keys, keysOf(section.Name, f)...)
		}
		for _, name := range slices.Sorted(maps.Keys(section.Obsolete)) {
			key := newKey(section.Name, name, reflect.ValueOf(""))
			key.obsolete = section.Obsolete[name]
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if _, ok := typeName(key.kind); !ok {
			return nil, fmt.Errorf("%s: a %s cannot be configured", key.Name, key.kind)
		}
		if seen[key.Name] {
			return nil, fmt.Errorf("%s: two fields have this key", key.Name)
		}
		seen[key.Name] = true
	}
	return keys, nil
}

func newKey(section, name string, value reflect.Value) Key {
	key := Key{Name: join(section, name), section: section, kind: value.Type(), value: value}
	key.Type, _ = typeName(key.kind)
	key.Secret = isSecret(key.kind)
	if !composite(key.kind) {
		key.Env = envPrefix + strings.ToUpper(strings.ReplaceAll(key.Name, ".", "__"))
	}
	if !key.Secret {
		key.Default = render(value)
		if key.Env != "" {
			key.Flag = "--" + key.Name
		}
	}
	return key
}

// keysOf returns the key of a field, and for a secret that of its file.
func keysOf(section string, f field) []Key {
	key := newKey(section, f.key, f.value)
	key.Help = f.help
	if f.value.Type() != secretType {
		return []Key{key}
	}
	file := newKey(section, f.key+fileSuffix, reflect.ValueOf(""))
	file.Help = "file that holds " + key.Name + ", instead of it"
	return []Key{key, file}
}

// field is a field of a struct that has a key.
type field struct {
	key, help string
	value     reflect.Value
}

// fields lists the fields that have a key, those of embedded structs included.
func fields(v reflect.Value) []field {
	var all []field
	for f, value := range v.Fields() {
		key := f.Tag.Get("koanf")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			all = append(all, fields(value)...)
		case key != "" && f.IsExported():
			all = append(all, field{key, f.Tag.Get("help"), value})
		}
	}
	return all
}

var (
	secretType = reflect.TypeFor[setting.Secret]()
	durations  = reflect.TypeFor[time.Duration]()
)

// isText reports whether a type's own method reads its values.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func isSecret(t reflect.Type) bool {
	return t == secretType || (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && t.Elem() == secretType
}

// composite reports whether values of a type can stand in a file only.
func composite(t reflect.Type) bool {
	switch name, _ := typeName(t); name {
	case "list", "map":
		element, _ := typeName(t.Elem())
		return element != "string"
	case "section":
		return true
	}
	return false
}

// typeName names a type in documents and help texts.
func typeName(t reflect.Type) (string, bool) {
	switch {
	case t == reflect.TypeFor[setting.Size]():
		return "size", true
	case t == durations:
		return "duration", true
	case t == secretType, isText(t), t.Kind() == reflect.String:
		return "string", true
	case t.Kind() == reflect.Bool:
		return "bool", true
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "int", true
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		_, ok := typeName(t.Elem())
		return map[reflect.Kind]string{reflect.Slice: "list", reflect.Map: "map"}[t.Kind()], ok
	case t.Kind() == reflect.Struct:
		for _, f := range fields(reflect.Zero(t)) {
			if _, ok := typeName(f.value.Type()); !ok {
				return "", false
			}
		}
		return "section", true
	}
	return "", false
}

// at follows a path such as keys[0].name below a struct type, and returns the type there, or nil if there is none.
func at(t reflect.Type, path string) reflect.Type {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch t.Kind() {
		case reflect.Slice, reflect.Map:
			t = t.Elem()
		case reflect.Struct:
			i := slices.IndexFunc(fields(reflect.Zero(t)), func(f field) bool { return f.key == step })
			if i < 0 {
				return nil
			}
			t = fields(reflect.Zero(t))[i].value.Type()
		default:
			return nil
		}
	}
	return t
}

// names lists the keys that a struct type knows.
func names(t reflect.Type) []string {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var known []string
	for _, f := range fields(reflect.Zero(t)) {
		known = append(known, f.key)
		if f.value.Type() == secretType {
			known = append(known, f.key+fileSuffix)
		}
	}
	return known
}

func join(section, key string) string {
	if section == "" || key == "" {
		return section + key
	}
	return section + "." + key
}
