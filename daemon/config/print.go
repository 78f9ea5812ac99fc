package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

// Mask stands for a secret wherever the configuration is shown.
const Mask = setting.Mask

// WriteYAML writes the effective configuration as YAML that Load reads, secrets apart: those are masked, unless they are empty.
func (l *Loaded) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, section := range l.schema.sections {
		node := l.node(reflect.ValueOf(section.Config).Elem(), section.Name)
		if node.Style = 0; section.Name == "" {
			root.Content = append(root.Content, node.Content...)
		} else if len(node.Content) > 0 {
			root.Content = append(root.Content, textNode(section.Name), node)
		}
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return encoder.Close()
}

// node makes a node of a value. Of a secret that comes from a file, the file is shown.
func (l *Loaded) node(v reflect.Value, path string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	add := func(key string, value *yaml.Node) { node.Content = append(node.Content, textNode(key), value) }
	switch kind := kindOf(v.Type()); kind {
	case "section":
		for _, f := range fields(v) {
			at := join(path, f.key)
			if file := l.files[at+fileSuffix]; f.value.Type() != secretType {
				add(f.key, l.node(f.value, at))
			} else if file == "" {
				add(f.key, l.node(f.value, at))
				add(f.key+fileSuffix, textNode(""))
			} else {
				add(f.key, textNode(""))
				add(f.key+fileSuffix, textNode(file))
			}
		}
	case "list":
		node.Kind = yaml.SequenceNode
		for i, element := range v.Seq2() {
			node.Content = append(node.Content, l.node(element, fmt.Sprintf("%s[%d]", path, i.Int())))
		}
	case "map":
		for _, key := range sortedKeys(v) {
			add(key.String(), l.node(v.MapIndex(key), join(path, key.String())))
		}
	case "bool", "int":
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!" + kind, Value: fmt.Sprint(v.Interface())}
	case "duration":
		return textNode(Duration(time.Duration(v.Int())))
	default:
		if marshaler, ok := v.Interface().(encoding.TextMarshaler); ok {
			text, _ := marshaler.MarshalText() // a default or an accepted value
			return textNode(string(text))
		}
		return textNode(v.String())
	}
	return node
}

func sortedKeys(m reflect.Value) []reflect.Value {
	return slices.SortedFunc(slices.Values(m.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
}

// textNode is a node that is read as a text, in quotes if it needs them.
func textNode(value string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(value)
	if resolved := (&yaml.Node{Kind: yaml.ScalarNode, Value: value}); resolved.ShortTag() != "!!str" {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// render writes what a node holds as it is written in the environment: a list as a,b and a map as a=b,c=d.
func render(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode {
		return node.Value
	}
	var items []string
	for i, element := range node.Content {
		if item := render(element); node.Kind == yaml.MappingNode && i%2 == 1 {
			items[len(items)-1] += "=" + item
		} else {
			items = append(items, item)
		}
	}
	return strings.Join(items, ",")
}

// Duration writes a duration as the configuration does: 5m instead of 5m0s.
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return strings.Replace(text, "h0m", "h", 1)
}
