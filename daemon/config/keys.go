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

	value    reflect.Value // of the field
	obsolete string        // why it means nothing any more
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
	root     reflect.Value // a struct with a field for each section, which points to its Config
	keys     []Key
}

const squash = `koanf:",squash"` // the keys of the field's struct stand beside the others

func newSchema(sections []Section) (*schema, error) {
	s := &schema{sections: sections}
	var members []reflect.StructField
	for i, section := range sections {
		v := reflect.ValueOf(section.Config)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("section %q: its configuration is a %T, not a pointer to a struct", section.Name, section.Config)
		}
		if slices.ContainsFunc(sections[:i], func(other Section) bool { return other.Name == section.Name }) {
			return nil, fmt.Errorf("%s: two protocols or other sections have this name", section.Name)
		}
		tag := reflect.StructTag(`koanf:"` + section.Name + `"`)
		if section.Name == "" {
			tag = squash
		}
		members = append(members, reflect.StructField{Name: fmt.Sprint("Section", i), Type: v.Type(), Tag: tag})
		s.keys = append(s.keys, keysOf(section.Name, v.Elem())...)
		for _, name := range slices.Sorted(maps.Keys(section.Obsolete)) {
			s.keys = append(s.keys, Key{Name: join(section.Name, name), Type: "string", value: reflect.ValueOf(""), obsolete: section.Obsolete[name]})
		}
	}
	for i := range s.keys {
		if err := s.complete(&s.keys[i]); err != nil {
			return nil, err
		}
	}
	s.root = reflect.New(reflect.StructOf(members)).Elem()
	for i, section := range sections {
		s.root.Field(i).Set(reflect.ValueOf(section.Config))
	}
	return s, nil
}

// complete finds out how a key is set, or why it cannot be one.
func (s *schema) complete(key *Key) error {
	switch {
	case key.Type == "":
		return fmt.Errorf("%s: a %s cannot be configured", key.Name, key.value.Type())
	case s.key(key.Name) != key:
		return fmt.Errorf("%s: two fields have this key", key.Name)
	}
	key.Secret = isSecret(key.value.Type())
	if inFileOnly(key.value.Type()) {
		return nil
	}
	key.Env = envPrefix + strings.ToUpper(strings.ReplaceAll(key.Name, ".", "__"))
	if !key.Secret {
		key.Default, key.Flag = render(node(key.value)), "--"+key.Name
	}
	return nil
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

// unknown says that there is no such key at a path, where others are, and which one may have been meant.
func (s *schema) unknown(path, key string, others []Key) error {
	if _, name, dotted := strings.Cut(key, "."); dotted && path == "" && s.key(key) != nil { // http.listen in one word
		return fmt.Errorf("unknown key; write %s: indented under %s:", name, s.section(key)) //nolint:revive,staticcheck // it ends as the file has it
	}
	var known []string
	for _, other := range others {
		known = append(known, strings.TrimPrefix(other.Name, path+"."))
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

const fileSuffix = "_file" // beside a secret x, x_file names a file that holds it

type fileName string // of a secret's file

// keysOf lists the keys of a struct, those of embedded structs included.
func keysOf(path string, v reflect.Value) (all []Key) {
	for f, value := range v.Fields() {
		name := join(path, f.Tag.Get("koanf"))
		if f.Type.Kind() == reflect.Pointer && value.IsNil() {
			value = reflect.New(f.Type.Elem())
		}
		value = reflect.Indirect(value)
		switch {
		case f.Anonymous, f.Tag == squash:
			all = append(all, keysOf(path, value)...)
		case name != path && f.IsExported():
			all = append(all, Key{Name: name, Type: kindOf(value.Type()), Help: f.Tag.Get("help"), value: value})
			if secret, ok := value.Interface().(setting.Secret); ok {
				file := reflect.ValueOf(fileName(secret.File()))
				all = append(all, Key{Name: name + fileSuffix, Type: "string", Help: "file that holds " + name + ", instead of it", value: file})
			}
		}
	}
	return all
}

var (
	secretType = reflect.TypeFor[setting.Secret]()
	fileType   = reflect.TypeFor[fileName]()
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
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case readsText(t), t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "int"
	case t.Kind() == reflect.Slice && kindOf(t.Elem()) != "":
		return "list"
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && kindOf(t.Elem()) != "":
		return "map"
	case t.Kind() == reflect.Struct && !slices.ContainsFunc(keysOf("", reflect.Zero(t)), func(k Key) bool { return k.Type == "" }):
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
