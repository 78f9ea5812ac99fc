package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

// parseYAML returns the one document in data, which is null if there is none.
func parseYAML(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: remove everything from the second --- on")
	}
	return document.Content[0], nil
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

// value takes what a node says of a field, and tells every fault in it. The keys of a section that are right it returns as a map. Anything else
// it returns as a value, or, if there is a fault in it, as nil.
func (s *source) value(path, where string, node *yaml.Node, field reflect.Value) any {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	t, before := field.Type(), len(s.faults)
	v, kind := value{Key: path, Where: where, File: t == fileType}, kindOf(t)
	tag, isScalar := scalars[kind]
	switch {
	case isNull(node):
		if kind != "section" || strings.ContainsRune(path, '[') { // else every key of a section is commented out
			s.fault(where, path, wrongType(t, "nothing"))
		}
	case node.Kind == yaml.MappingNode && kind == "section":
		keys := keysOf(path, field)
		return s.pairs(path, where, node, func(key, path, where string) (of reflect.Value) {
			if i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == path }); i >= 0 {
				return keys[i].value
			}
			if !s.ignores(path, where) {
				s.fault(where, path, s.unknown(strings.TrimSuffix(strings.TrimSuffix(path, key), "."), key, keys))
			}
			return of
		})
	case node.Kind == yaml.MappingNode && kind == "map":
		v.Of = s.pairs(path, where, node, func(string, string, string) reflect.Value { return reflect.Zero(t.Elem()) })
	case node.Kind == yaml.SequenceNode && kind == "list":
		items := []any{}
		for i, element := range node.Content {
			items = append(items, s.value(fmt.Sprintf("%s[%d]", path, i), s.place(element, where), element, reflect.Zero(t.Elem())))
		}
		v.Of = items
	case node.Kind == yaml.ScalarNode && isScalar && (tag == "" || tag == node.ShortTag()):
		v.Of = node.Value
		if _, err := parse(node.Value, t); err != nil && t != reflect.TypeFor[setting.Roots]() { // a file counts only if the section is in use
			s.fault(where, path, err)
		}
	default:
		s.fault(where, path, wrongType(t, describe(node)))
	}
	if v.Of == nil || len(s.faults) > before {
		return nil
	}
	return v
}

// pairs takes what a mapping says of the keys that are the names of fields.
func (s *source) pairs(path, around string, mapping *yaml.Node, field func(key, path, where string) reflect.Value) map[string]any {
	found, first := map[string]any{}, map[string]string{}
	for pair := range slices.Chunk(mapping.Content, 2) {
		key, at, where := pair[0], join(path, pair[0].Value), s.place(pair[0], around)
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			s.fault(where, path, unexpected("a key", describe(key)))
		case first[key.Value] != "":
			s.fault(where, at, fmt.Errorf("set twice, first in %s", first[key.Value]))
		default:
			first[key.Value] = where
			if of := field(key.Value, at, where); of.IsValid() {
				put(found, key.Value, s.value(at, where, pair[1], of))
			}
		}
	}
	return found
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a map"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!merge":
		return "<<, which is not supported"
	}
	return quote(node.Value)
}
