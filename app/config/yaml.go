package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML checks a YAML document against the schema. The nodes are walked instead of decoded, because only they know their
// lines.
func (s *schema) readYAML(name string, data []byte) (layer, Faults) {
	r := yamlReader{schema: s, name: name, layer: newLayer()}
	root, err := parseYAML(data)
	switch {
	case err != nil:
		r.faults.add(name, "", "%w", err)
	case root != nil:
		r.section("", root)
	}
	return r.layer, r.faults
}

// parseYAML returns the one document in data, or nil if there is none.
func parseYAML(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: remove everything from the second --- on")
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return resolve(document.Content[0]), nil
}

// resolve follows an alias to what it stands for. An alias of an alias cannot be written.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

type yamlReader struct {
	schema *schema
	name   string
	layer  layer
	faults Faults
}

func (r *yamlReader) where(node *yaml.Node) string { return fmt.Sprintf("%s:%d", r.name, node.Line) }

// section reads a section's mapping, or with an empty name the document's.
func (r *yamlReader) section(name string, node *yaml.Node) {
	if isNull(node) {
		return // every key of it is commented out
	}
	if node.Kind != yaml.MappingNode {
		r.faults.add(r.where(node), name, "expected keys, each with its value, got %s", describe(node))
		return
	}
	r.pairs(name, node, func(key, value *yaml.Node) {
		path := join(name, key.Value)
		switch leaf := r.schema.byName[path]; {
		case leaf != nil && leaf.section == name:
			r.leaf(leaf, key, value)
		case name == "" && r.schema.hasSection(key.Value):
			r.section(key.Value, value)
		default:
			r.faults.add(r.where(key), path, "%s", r.schema.unknownKey(name, key.Value))
		}
	})
}

// pairs calls visit for each pair of a mapping, and refuses a key that is not a text or stands there twice.
func (r *yamlReader) pairs(name string, mapping *yaml.Node, visit func(key, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], resolve(mapping.Content[i+1])
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.faults.add(r.where(key), name, "expected a key, got %s", describe(key))
			continue
		}
		if line, twice := first[key.Value]; twice {
			r.faults.add(r.where(key), join(name, key.Value), "set twice, first in line %d", line)
			continue
		}
		first[key.Value] = key.Line
		visit(key, value)
	}
}

func (r *yamlReader) leaf(l *leaf, key, node *yaml.Node) {
	value, err := r.value(l, node)
	if err != nil {
		r.faults.add(r.where(key), l.name, "%w", err)
		return
	}
	r.layer.put(l.name, value, r.where(key))
}

func (r *yamlReader) value(l *leaf, node *yaml.Node) (any, error) {
	switch {
	case l.kind == kindList && node.Kind == yaml.SequenceNode:
		return r.list(l, node)
	case l.kind == kindMap && node.Kind == yaml.MappingNode:
		return r.pairsOf(l, node)
	case l.kind == kindString && isText(node):
		return node.Value, nil
	case l.kind == kindBool && node.ShortTag() == "!!bool",
		l.kind == kindInt && node.ShortTag() == "!!int",
		l.kind == kindDuration && node.Kind == yaml.ScalarNode && !isNull(node):
		return l.parse(node.Value)
	}
	return nil, l.mismatch(node)
}

func (l *leaf) mismatch(node *yaml.Node) error {
	if l.secret {
		return errors.New("expected " + l.expected())
	}
	return fmt.Errorf("expected %s, got %s", l.expected(), describe(node))
}

func (r *yamlReader) list(l *leaf, node *yaml.Node) (any, error) {
	items := make([]string, len(node.Content))
	for i, item := range node.Content {
		if item = resolve(item); !isText(item) {
			return nil, l.mismatch(item)
		}
		items[i] = item.Value
	}
	return items, nil
}

func (r *yamlReader) pairsOf(l *leaf, node *yaml.Node) (any, error) {
	pairs := map[string]string{}
	var err error
	r.pairs(l.name, node, func(key, value *yaml.Node) {
		if !isText(value) {
			err = l.mismatch(value)
			return
		}
		pairs[key.Value] = value.Value
	})
	return pairs, err
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

func isText(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str" }

// describe says what a node is, for a message.
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a map"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(node):
		return "nothing"
	case node.Tag == "!!merge":
		return "<<, which is not supported"
	}
	return quote(node.Value)
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}
