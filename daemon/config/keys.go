package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/daemon/internal/suggest"
	"github.com/zarafa/presence/setting"
)

// Section is a part of the configuration that belongs together.
type Section struct {
	Name   string // the key under which it stands; empty: its keys stand at the top level
	Config any    // points to a struct that holds the defaults, into which Load writes
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
	Choice  string // the values that it can have, with commas between them, if they are few
	Restart bool   // a change takes effect at the next start; otherwise a reload is enough

	value    reflect.Value // of the field
	obsolete string        // why it means nothing any more
}

// Keys lists the keys of the sections, in the order of their fields. An error means that a section's type cannot be one.
func Keys(sections ...Section) ([]Key, error) {
	s, err := newSchema(sections)
	return slices.DeleteFunc(s.keys, func(k Key) bool { return k.obsolete != "" }), err
}

// schema is what keys there are.
type schema struct {
	sections []Section
	root     reflect.Value // a struct with a field for each section, which points to its Config
	keys     []Key
	key      map[string]Key // those, by name
}

const squash = ",squash" // the keys of the field's struct stand beside the others

func newSchema(sections []Section) (s schema, err error) {
	s.sections, s.key = sections, map[string]Key{}
	var members []reflect.StructField
	for i, section := range sections {
		v := reflect.ValueOf(section.Config)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return s, fmt.Errorf("section %q: its configuration is a %T, not a pointer to a struct", section.Name, section.Config)
		}
		if slices.ContainsFunc(sections[:i], func(other Section) bool { return other.Name == section.Name }) {
			return s, fmt.Errorf("%s: two protocols or other sections have this name", section.Name)
		}
		tag := reflect.StructTag(fmt.Sprintf("koanf:%q", cmp.Or(section.Name, squash)))
		members = append(members, reflect.StructField{Name: fmt.Sprint("Section", i), Type: v.Type(), Tag: tag})
		s.keys = append(s.keys, keysOf(section.Name, v.Elem())...)
	}
	for i, key := range s.keys {
		if key.Type == "" {
			return s, fmt.Errorf("%s: a %s cannot be configured", key.Name, key.value.Type())
		}
		if _, twice := s.key[key.Name]; twice {
			return s, fmt.Errorf("%s: two fields have this key", key.Name)
		}
		if key.Flag != "" {
			s.keys[i].Default = render(node(key.value))
		}
		s.key[key.Name] = s.keys[i]
	}
	s.root = reflect.New(reflect.StructOf(members)).Elem()
	for i, section := range sections {
		s.root.Field(i).Set(reflect.ValueOf(section.Config))
	}
	return s, nil
}

// unknown says that there is no key of this name, where others are, and which one may have been meant.
func (s *schema) unknown(name string, others []Key) error {
	if _, there := s.key[name]; there { // http.listen in one word
		return fmt.Errorf("unknown key; write %s", strings.Replace(name, ".", ":, and below it, indented, ", 1))
	}
	inEntry := name[:strings.LastIndexByte(name, ']')+1] // of a list, if it is in one
	if inEntry != "" {
		inEntry += "."
		name = strings.TrimPrefix(name, inEntry)
	}
	var known []string
	for _, other := range others {
		known = append(known, strings.TrimPrefix(other.Name, inEntry))
	}
	hint := suggest.DidYouMean(name, known)
	last := suggest.Plain("." + name[strings.LastIndexByte(name, '.')+1:])
	if i := slices.IndexFunc(s.keys, func(k Key) bool { return strings.HasSuffix(suggest.Plain(k.Name), last) }); hint == "" && i >= 0 {
		hint = "; did you mean " + s.keys[i].Name + "?"
	}
	return errors.New("unknown key" + cmp.Or(hint, "; known here: "+strings.Join(known, ", ")))
}

const fileSuffix = "_file" // beside a secret x, x_file names a file that holds it

type fileName string // of a secret's file

// keysOf lists the keys of a struct, those of embedded structs included.
func keysOf(path string, v reflect.Value) (all []Key) {
	for f, value := range v.Fields() {
		value = reflect.Indirect(value) // the root points to the sections
		switch name := f.Tag.Get("koanf"); {
		case f.Anonymous, name == squash:
			all = append(all, keysOf(path, value)...)
		case name != "" && f.IsExported():
			key := newKey(join(path, name), f.Tag.Get("help"), value)
			key.obsolete = f.Tag.Get("obsolete")
			key.Choice = f.Tag.Get("choice")
			key.Restart = f.Tag.Get("change") == "restart"
			all = append(all, key)
			if secret, ok := value.Interface().(setting.Secret); ok {
				file := reflect.ValueOf(fileName(secret.File()))
				ofFile := newKey(key.Name+fileSuffix, "file that holds "+key.Name+", instead of it", file)
				ofFile.Restart = key.Restart
				all = append(all, ofFile)
			}
		}
	}
	return all
}

func newKey(name, help string, v reflect.Value) Key {
	key := Key{Name: name, Type: kindOf(v.Type()), Help: help, Secret: isSecret(v.Type()), value: v}
	if key.Type != "section" && (key.Type != "list" && key.Type != "map" || kindOf(v.Type().Elem()) == "string") {
		key.Env = envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "__"))
		if !key.Secret {
			key.Flag = "--" + name
		}
	}
	return key
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// element is the key of an element of a list or a map.
func (k Key) element(name string) Key { return newKey(name, "", reflect.Zero(k.value.Type().Elem())) }

func isSecret(t reflect.Type) bool {
	return t == reflect.TypeFor[setting.Secret]() || (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && isSecret(t.Elem())
}

var kinds = map[reflect.Kind]string{
	reflect.Bool: "bool", reflect.Int: "int", reflect.Int8: "int", reflect.Int16: "int", reflect.Int32: "int", reflect.Int64: "int",
	reflect.String: "string", reflect.Slice: "list", reflect.Map: "map", reflect.Struct: "section",
}

// kindOf names a type in documents and help texts. It is empty if the type cannot be configured.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[setting.Size]():
		return "size"
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "string"
	}
	return kinds[t.Kind()]
}
