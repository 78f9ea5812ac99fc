package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlReader looks at the nodes of a YAML document: only they know their lines. What cannot be in a configuration it takes out and tells.
type yamlReader struct {
	schema *schema
	name   string
	found  layer
	faults []Fault
}

func (s *schema) readYAML(name string, data []byte) (layer, []Fault) {
	r := yamlReader{schema: s, name: name, found: newLayer()}
	root, err := parseYAML(data)
	switch {
	case err != nil:
		return r.found, []Fault{{Where: name, Err: err}}
	case root == nil || isNull(root):
		return r.found, nil
	case root.Kind != yaml.MappingNode:
		r.fault(root, "", "expected %s, got %s", expected["section"], describe(root))
		return r.found, r.faults
	}
	r.visit("", root)
	if err := root.Decode(&r.found.values); err != nil {
		r.faults = append(r.faults, faultf(name, "", "%s", strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	return r.found, r.faults
}

// parseYAML returns the one document in data, or nil if there is none.
func parseYAML(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0 {
		return nil, nil
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: remove everything from the second --- on")
	}
	return document.Content[0], nil
}

func (r *yamlReader) where(node *yaml.Node) string { return fmt.Sprintf("%s:%d", r.name, node.Line) }

func (r *yamlReader) fault(node *yaml.Node, key, format string, args ...any) {
	r.faults = append(r.faults, faultf(r.where(node), key, format, args...))
}

// visit notes where everything below a node stands. It does not follow an alias: what is wrong there is told where the alias stands.
func (r *yamlReader) visit(path string, node *yaml.Node) {
	good := node.Content[:0]
	first := map[string]int{}
	for i := 0; i < len(node.Content); i++ {
		element, at := node.Content[i], fmt.Sprintf("%s[%d]", path, i)
		if node.Kind == yaml.MappingNode {
			key := element
			i++
			element, at = node.Content[i], join(path, key.Value)
			if !r.goodKey(path, key, first) || isNull(element) && r.schema.section(at) == at && at != "" {
				continue // every key of the section is commented out
			}
			r.found.set(at, r.where(key), element.Value)
			if isNull(element) {
				r.nothing(at, key)
				continue
			}
			key.Tag = "!!str"
			good = append(good, key)
		} else if r.found.origin[at] = r.where(element); isNull(element) {
			r.nothing(at, element)
		}
		good = append(good, element)
		r.visit(at, element)
	}
	node.Content = good
}

// goodKey refuses what is no key, or stands there twice.
func (r *yamlReader) goodKey(path string, key *yaml.Node, first map[string]int) bool {
	line, twice := first[key.Value]
	switch {
	case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
		r.fault(key, path, "expected a key, got %s", describe(key))
		return false
	case twice:
		r.fault(key, join(path, key.Value), "set twice, first in line %d", line)
		return false
	}
	first[key.Value] = key.Line
	return true
}

// nothing refuses what has no value. The decoder would pass over it.
func (r *yamlReader) nothing(path string, node *yaml.Node) {
	want := "a value"
	if key := r.schema.key(path); key != nil {
		want = expected[key.Type]
	}
	r.fault(node, path, "expected %s, got nothing", want)
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
