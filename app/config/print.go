package config

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Mask stands for a secret wherever the configuration is shown.
const Mask = "********"

// WriteYAML writes the effective configuration as YAML that Load reads, secrets apart: those are masked, unless they are empty.
func (l *Loaded) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	inside := map[string]*yaml.Node{"": root}
	for _, leaf := range l.schema.leaves {
		section := inside[leaf.section]
		if section == nil {
			section = &yaml.Node{Kind: yaml.MappingNode}
			inside[leaf.section] = section
			root.Content = append(root.Content, text(leaf.section), section)
		}
		section.Content = append(section.Content, text(leaf.key), leaf.node())
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return encoder.Close()
}

func (l *leaf) node() *yaml.Node {
	switch l.kind {
	case kindList:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range stringsOf(l.value) {
			list.Content = append(list.Content, text(l.mask(item)))
		}
		return list
	case kindMap:
		pairs, node := pairsOf(l.value), &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, key := range slices.Sorted(maps.Keys(pairs)) {
			node.Content = append(node.Content, text(key), text(l.mask(pairs[key])))
		}
		return node
	case kindBool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(l.value.Bool())}
	case kindInt:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(l.value.Int(), 10)}
	case kindDuration:
		return text(Duration(time.Duration(l.value.Int())))
	}
	return text(l.mask(l.value.String()))
}

func (l *leaf) mask(value string) string {
	if l.secret && value != "" {
		return Mask
	}
	return value
}

// text is a node that is read as a text, in quotes if it needs them.
func text(value string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(value)
	if resolved := (&yaml.Node{Kind: yaml.ScalarNode, Value: value}); resolved.ShortTag() != "!!str" {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
