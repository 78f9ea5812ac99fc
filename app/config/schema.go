package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Section is a part of the configuration that belongs together.
type Section struct {
	// Name is the key under which the section stands. Empty: its keys stand at the top level.
	Name string
	// Config points to a struct that holds the defaults, into which Load writes. If it has a method Validate() error, that
	// is what Loaded.Validate calls.
	Config any
}

// Key describes one configuration key.
type Key struct {
	Name    string // dotted, e.g. http.listen
	Type    string // string, bool, int, duration, list or map
	Default string // as it is written in the environment or as a flag; empty for a secret
	Help    string // one line
	Env     string // the environment variable that sets it
	Flag    string // the flag that sets it, with its dashes; empty for a secret
	Secret  bool
}

// Keys lists the keys of the sections, in the order of their fields. An error means that a section's type cannot be one.
func Keys(sections ...Section) ([]Key, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(s.leaves))
	for i, l := range s.leaves {
		keys[i] = Key{Name: l.name, Type: l.kind.String(), Help: l.help, Env: l.env(), Secret: l.secret}
		if !l.secret {
			keys[i].Default, keys[i].Flag = render(l.value), "--"+l.name
		}
	}
	return keys, nil
}

// leaf is one key and the struct field behind it.
type leaf struct {
	name, section, key, help string // name is section.key
	kind                     kind
	secret                   bool
	value                    reflect.Value // settable; holds the default until it is set
}

func (l *leaf) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(l.name, ".", "__"))
}

// schema is what keys there are.
type schema struct {
	sections []Section
	leaves   []*leaf
	byName   map[string]*leaf
}

func newSchema(sections []Section) (*schema, error) {
	s := &schema{sections: sections, byName: map[string]*leaf{}}
	for _, section := range sections {
		if err := s.add(section); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *schema) add(section Section) error {
	v := reflect.ValueOf(section.Config)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("section %q: its configuration is a %T, not a pointer to a struct", section.Name, section.Config)
	}
	return s.addFields(section, v.Elem())
}

// addFields adds the fields of a struct, those of an embedded one included.
func (s *schema) addFields(section Section, v reflect.Value) error {
	for field, value := range v.Fields() {
		key := field.Tag.Get("koanf")
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := s.addFields(section, value); err != nil {
				return err
			}
			continue
		}
		if key == "" || !field.IsExported() {
			continue
		}
		l := &leaf{name: key, section: section.Name, key: key, help: field.Tag.Get("help"), value: value}
		if section.Name != "" {
			l.name = section.Name + "." + key
		}
		l.secret = field.Tag.Get("secret") == "true"
		var ok bool
		if l.kind, ok = kindOf(field.Type); !ok {
			return fmt.Errorf("%s: a %s cannot be configured", l.name, field.Type)
		}
		if s.byName[l.name] != nil {
			return fmt.Errorf("%s: two fields have this key", l.name)
		}
		s.leaves, s.byName[l.name] = append(s.leaves, l), l
	}
	return nil
}

func (s *schema) hasSection(name string) bool {
	for _, section := range s.sections {
		if section.Name == name && name != "" {
			return true
		}
	}
	return false
}

// below lists what may stand under a section, or with an empty name at the top level: keys and sections.
func (s *schema) below(section string) []string {
	var names []string
	for _, l := range s.leaves {
		if l.section == section {
			names = append(names, l.key)
		}
	}
	if section == "" {
		for _, other := range s.sections {
			if other.Name != "" {
				names = append(names, other.Name)
			}
		}
	}
	return names
}
