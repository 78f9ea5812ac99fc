package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

// value is what a source says of a key. It is decoded once all sources are read.
type value struct {
	Of         any    // a string, or the values of a list or a map: []any or map[string]any
	Key, Where string // see at
	File       bool   // it is the name of a file with a secret
	Both       bool   // and the secret itself is set too
}

func (v value) text() string {
	text, _ := v.Of.(string)
	return text
}

// place is where a node stands: around, if it is not of a file.
func (s *source) place(node *yaml.Node, around string) string {
	if node.Line == 0 {
		return around
	}
	return fmt.Sprintf("%s:%d", s.file, node.Line)
}

// scalars are the kinds of values that are scalars, with the tag that they must have in YAML, unless every text that can be parsed is right.
var scalars = map[string]string{"string": "!!str", "bool": "!!bool", "int": "!!int", "duration": "", "size": ""}

// value takes what a node says of a field, and tells every fault in it. Of a section it returns those keys that are right as a map, of anything
// else a value, or nil if there is a fault in it.
func (s *source) value(path, where string, node *yaml.Node, field reflect.Value) any {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	t, kind, before := field.Type(), kindOf(field), len(s.faults)
	v := value{Key: path, Where: where, File: t == reflect.TypeFor[fileName]()}
	tag, isScalar := scalars[kind]
	switch {
	case isNull(node):
		if kind != "section" || strings.ContainsRune(path, '[') { // else every key of a section is commented out
			s.fault(where, path, wrongType(field, "nothing"))
		}
	case node.Kind == yaml.MappingNode && kind == "section":
		return s.pairs(path, where, node, keysOf(path, field), reflect.Value{})
	case node.Kind == yaml.MappingNode && kind == "map":
		v.Of = s.pairs(path, where, node, nil, element(field))
	case node.Kind == yaml.SequenceNode && kind == "list":
		items := []any{}
		for i, item := range node.Content {
			items = append(items, s.value(fmt.Sprintf("%s[%d]", path, i), s.place(item, where), item, element(field)))
		}
		v.Of = items
	case node.Kind == yaml.ScalarNode && isScalar && (tag == "" || tag == node.ShortTag()):
		v.Of = node.Value
		if _, err := parse(node.Value, field); err != nil && t != reflect.TypeFor[setting.Roots]() { // a file counts only if the section is in use
			s.fault(where, path, err)
		}
	default:
		s.fault(where, path, wrongType(field, describe(node)))
	}
	if v.Of == nil || len(s.faults) > before || v.Of == "" && (v.File || isSecret(t)) { // an empty variable is often just left over
		return nil
	}
	return v
}

// pairs takes what a mapping says of keys, or, if there is an element, of any keys whose values are like that.
func (s *source) pairs(path, around string, mapping *yaml.Node, keys []Key, element reflect.Value) map[string]any {
	found, first := map[string]any{}, map[string]string{}
	for pair := range slices.Chunk(mapping.Content, 2) {
		name, at, where := pair[0].Value, join(path, pair[0].Value), s.place(pair[0], around)
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == at })
		switch {
		case pair[0].Kind != yaml.ScalarNode:
			s.fault(where, path, unexpected("a key", describe(pair[0])))
		case first[name] != "":
			s.fault(where, at, fmt.Errorf("set twice, first in %s", first[name]))
		case i >= 0 && !s.ignores(keys[i], where):
			put(found, name, s.value(at, where, pair[1], keys[i].value))
		case element.IsValid():
			put(found, name, s.value(at, where, pair[1], element))
		case i < 0:
			s.fault(where, at, s.unknown(path, name, keys))
		}
		first[name] = where
	}
	return found
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return quote(node.Value)
}

var conversions = mapstructure.ComposeDecodeHookFunc(
	mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), mapstructure.StringToBasicTypeHookFunc())

// parse makes what a field holds, if that is neither list, map nor section.
func parse(text string, field reflect.Value) (made any, err error) {
	kind := kindOf(field)
	if kind != "string" {
		text = strings.TrimSpace(text)
	}
	made, err = mapstructure.DecodeHookExec(conversions, reflect.ValueOf(text), field)
	if err != nil && kind != "string" && kind != "size" { // those say it themselves
		err = wrongType(field, quote(text))
	}
	return made, err
}

// hook makes a value what a field holds. Lists, maps and sections mapstructure decodes further, element by element.
func (l *Loaded) hook(from, to reflect.Value) (made any, err error) {
	v, ok := from.Interface().(value)
	text, isText := v.Of.(string)
	switch {
	case !ok:
		return from.Interface(), nil
	case !isText:
		to.SetZero() // a list or a map replaces the default
		return v.Of, nil
	case v.Both:
		err = errors.New("the secret itself is set too; remove one of them")
	case v.File:
		made, err = setting.ReadSecret(text)
		if info, _ := os.Stat(text); err == nil && info != nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			l.note(v.Where, v.Key, "every user of this machine can read %s; run: chmod 600 %[1]s", text)
		}
	default:
		made, err = parse(text, to)
	}
	if err != nil {
		l.unread = append(l.unread, at(v.Where, v.Key, err))
	}
	return made, nil
}

// expected says what a value of a kind looks like.
var expected = map[string]string{
	"string":   "a text (a number or a word like true must stand in quotes)",
	"bool":     "true or false",
	"int":      "a whole number",
	"duration": "a duration such as 90s, 5m or 1h30m",
	"size":     "a size such as 16KiB, 1MiB or 1GiB",
	"list":     "a list, such as [a, b]",
	"map":      "a map, such as {a: b}, or a=b,c=d outside the file",
	"section":  "keys, each with its value",
}

// wrongType tells what a field holds, and what is there instead, unless that may be a secret.
func wrongType(field reflect.Value, got string) error {
	want := expected[kindOf(field)]
	if kindOf(field) == "int" && field.Type().Bits() < 64 {
		want += fmt.Sprintf(" of at most %d bits", field.Type().Bits())
	}
	if isSecret(field.Type()) {
		return errors.New("expected " + want)
	}
	return unexpected(want, got)
}

func unexpected(want, got string) error { return fmt.Errorf("expected %s, got %s", want, got) }
