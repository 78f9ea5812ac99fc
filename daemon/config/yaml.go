package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a YAML document. Its nodes tell where each key stands; what they cannot be in a configuration is taken out and told.
func (s *schema) readYAML(name string, data []byte) (layer, Faults) {
	r := yamlReader{schema: s, name: name, layer: newLayer()}
	root, err := parseYAML(data)
	switch {
	case err != nil:
		r.faults.add(name, "", "%w", err)
	case root == nil || isNull(root):
	case root.Kind != yaml.MappingNode:
		r.faults.add(r.where(root), "", "%w", unexpected("keys, each with its value", value(root)))
	default:
		r.visit("", root)
		if err := root.Decode(&r.layer.values); err != nil {
			r.faults.add(name, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		markNothing(r.layer.values)
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
	return document.Content[0], nil
}

type yamlReader struct {
	schema *schema
	name   string
	layer  layer
	faults Faults
}

func (r *yamlReader) where(node *yaml.Node) string { return fmt.Sprintf("%s:%d", r.name, node.Line) }

// visit notes where everything below a node stands. It does not follow an alias: what is wrong there is told where the alias stands.
func (r *yamlReader) visit(path string, node *yaml.Node) {
	switch node.Kind {
	case yaml.SequenceNode:
		for i, element := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			r.layer.origin[at] = r.where(element)
			r.visit(at, element)
		}
	case yaml.MappingNode:
		r.pairs(path, node)
	}
}

// pairs takes out of a mapping what is no key, or stands there twice, and sections without keys.
func (r *yamlReader) pairs(path string, mapping *yaml.Node) {
	first, good := map[string]int{}, mapping.Content[:0]
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, element := mapping.Content[i], mapping.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.faults.add(r.where(key), path, "expected a key, got %s", describeKey(key))
			continue
		}
		at := join(path, key.Value)
		if line, twice := first[key.Value]; twice {
			r.faults.add(r.where(key), at, "set twice, first in line %d", line)
			continue
		}
		first[key.Value] = key.Line
		if isNull(element) && r.schema.hasSection(at) {
			continue // every key of it is commented out
		}
		key.Tag = "!!str"
		r.layer.origin[at] = r.where(key)
		if strings.HasSuffix(at, fileSuffix) && element.Kind == yaml.ScalarNode {
			r.layer.files[at] = element.Value
		}
		good = append(good, key, element)
		r.visit(at, element)
	}
	mapping.Content = good
}

// markNothing exchanges what has no value for something that koanf does not pass over.
func markNothing(values any) {
	switch values := values.(type) {
	case map[string]any:
		for key, value := range values {
			if values[key] = orNothing(value); value != nil {
				markNothing(value)
			}
		}
	case []any:
		for i, value := range values {
			if values[i] = orNothing(value); value != nil {
				markNothing(value)
			}
		}
	}
}

func orNothing(value any) any {
	if value == nil {
		return nothing{}
	}
	return value
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// value is what a node holds.
func value(node *yaml.Node) (value any) {
	if err := node.Decode(&value); err != nil {
		return node.Value
	}
	return value
}

func describeKey(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a map"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	}
	return node.Value + ", which is not supported"
}
