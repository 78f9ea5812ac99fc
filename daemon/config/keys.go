package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/daemon/internal/suggest"
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

	kind     reflect.Type
	obsolete string // why it means nothing any more
}

// Keys lists the keys of the sections, in the order of their fields. An error means that a section's type cannot be one.
func Keys(sections ...Section) ([]Key, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.keys, func(k Key) bool { return k.obsolete != "" }), nil
}

// schema is what keys there are.
type schema struct {
	sections []Section
	keys     []Key
	root     reflect.Type // a struct with a field for each section
}

func newSchema(sections []Section) (*schema, error) {
	s := &schema{sections: sections}
	var members []reflect.StructField
	for i, section := range sections {
		v := reflect.ValueOf(section.Config)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("section %q: its configuration is a %T, not a pointer to a struct", section.Name, section.Config)
		}
		tag := reflect.StructTag(`koanf:"` + section.Name + `"`)
		if section.Name == "" {
			tag = squash
		}
		members = append(members, reflect.StructField{Name: fmt.Sprint("Section", i), Type: v.Elem().Type(), Tag: tag})
		for _, f := range fields(v.Elem()) {
			s.keys = append(s.keys, newKey(join(section.Name, f.key), f.help, f.value))
			if f.value.Type() == secretType {
				name := join(section.Name, f.key)
				s.keys = append(s.keys, newKey(name+fileSuffix, "file that holds "+name+", instead of it", reflect.ValueOf("")))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(section.Obsolete)) {
			key := newKey(join(section.Name, name), "", reflect.ValueOf(""))
			key.obsolete = section.Obsolete[name]
			s.keys = append(s.keys, key)
		}
	}
	for i, key := range s.keys {
		if key.Type == "" {
			return nil, fmt.Errorf("%s: a %s cannot be configured", key.Name, key.kind)
		}
		if s.key(key.Name) != &s.keys[i] {
			return nil, fmt.Errorf("%s: two fields have this key", key.Name)
		}
	}
	s.root = reflect.StructOf(members)
	return s, nil
}

func newKey(name, help string, value reflect.Value) Key {
	key := Key{Name: name, Help: help, kind: value.Type(), Type: kindOf(value.Type()), Secret: isSecret(value.Type())}
	if !inFileOnly(key.kind) {
		key.Env = envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "__"))
	}
	if !key.Secret && key.Env != "" {
		key.Default, key.Flag = render(new(Loaded).node(value, name)), "--"+name
	}
	return key
}

func (s *schema) key(name string) *Key {
	if i := slices.IndexFunc(s.keys, func(k Key) bool { return k.Name == name }); i >= 0 {
		return &s.keys[i]
	}
	return nil
}

// section names the section of a key.
func (s *schema) section(key string) string {
	name, _, _ := strings.Cut(key, ".")
	if slices.ContainsFunc(s.sections, func(section Section) bool { return section.Name == name }) {
		return name
	}
	return ""
}

// unknown says that there is no such key at a path, and which one may have been meant.
func (s *schema) unknown(path, key string) error {
	known := names(at(s.root, path))
	if _, name, dotted := strings.Cut(key, "."); dotted && path == "" && s.key(key) != nil { // http.listen in one word
		return fmt.Errorf("unknown key; write %s: indented under %s:", name, s.section(key)) //nolint:revive,staticcheck // it ends as the file has it
	}
	if near := suggest.Nearest(key, known); near != "" {
		return fmt.Errorf("unknown key; did you mean %s?", join(path, near))
	}
	for _, k := range s.keys {
		if _, name, _ := strings.Cut(k.Name, "."); suggest.Plain(name) == suggest.Plain(key) {
			return fmt.Errorf("unknown key; did you mean %s?", k.Name)
		}
	}
	return fmt.Errorf("unknown key; known here: %s", strings.Join(known, ", "))
}

// field is a field of a struct that has a key.
type field struct {
	key, help string
	value     reflect.Value
}

const squash = `koanf:",squash"` // the keys of the field's struct stand beside the others

// fields lists the fields that have a key, those of embedded structs included.
func fields(v reflect.Value) (all []field) {
	for f, value := range v.Fields() {
		key := f.Tag.Get("koanf")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct, f.Tag == squash:
			all = append(all, fields(value)...)
		case key != "" && f.IsExported():
			all = append(all, field{key, f.Tag.Get("help"), value})
		}
	}
	return all
}

// at returns the type at a path such as http.keys[0].name below a struct type, or nil if there is none.
func at(t reflect.Type, path string) reflect.Type {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		switch kindOf(t) {
		case "list", "map":
			t = t.Elem()
		case "section":
			all := fields(reflect.Zero(t))
			i := slices.IndexFunc(all, func(f field) bool { return f.key == step })
			if i < 0 {
				return nil
			}
			t = all[i].value.Type()
		default:
			return nil
		}
	}
	return t
}

// names lists the keys that a type knows.
func names(t reflect.Type) (known []string) {
	if t == nil || kindOf(t) != "section" {
		return nil
	}
	for _, f := range fields(reflect.Zero(t)) {
		known = append(known, f.key)
		if f.value.Type() == secretType {
			known = append(known, f.key+fileSuffix)
		}
	}
	return known
}

var (
	secretType   = reflect.TypeFor[setting.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

func isSecret(t reflect.Type) bool {
	return t == secretType || (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && t.Elem() == secretType
}

// readsText reports whether a type's own method reads its values.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// inFileOnly reports whether values of a type can stand in a file only.
func inFileOnly(t reflect.Type) bool {
	kind := kindOf(t)
	return kind == "section" || (kind == "list" || kind == "map") && kindOf(t.Elem()) != "string"
}

// kindOf names a type in documents and help texts. It is empty if the type cannot be configured.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[setting.Size]():
		return "size"
	case t == durationType:
		return "duration"
	case t == secretType, readsText(t), t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "int"
	case t.Kind() == reflect.Slice && kindOf(t.Elem()) != "":
		return "list"
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && kindOf(t.Elem()) != "":
		return "map"
	case t.Kind() == reflect.Struct && !slices.ContainsFunc(fields(reflect.Zero(t)), func(f field) bool { return kindOf(f.value.Type()) == "" }):
		return "section"
	}
	return ""
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
