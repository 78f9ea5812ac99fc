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

// WriteYAML writes the effective configuration as YAML that Load reads, secrets apart: those are masked, unless they are empty.
func (l *Loaded) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, section := range l.schema.sections {
		node := toNode(reflect.ValueOf(section.Config).Elem(), section.Name, l.files)
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

// toNode makes a node of a value. Of a secret that comes from a file, the file is shown.
func toNode(v reflect.Value, path string, files map[string]string) *yaml.Node {
	name, _ := typeName(v.Type())
	node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	switch name {
	case "section":
		for _, f := range fields(v) {
			value, file := toNode(f.value, join(path, f.key), files), files[join(path, f.key)+fileSuffix]
			if f.value.Type() != secretType {
				node.Content = append(node.Content, textNode(f.key), value)
				continue
			}
			if file != "" {
				value = textNode("")
			}
			node.Content = append(node.Content, textNode(f.key), value, textNode(f.key+fileSuffix), textNode(file))
		}
	case "list":
		node.Kind = yaml.SequenceNode
		for i, element := range v.Seq2() {
			node.Content = append(node.Content, toNode(element, fmt.Sprintf("%s[%d]", path, i.Int()), files))
		}
	case "map":
		for _, key := range sortedKeys(v) {
			node.Content = append(node.Content, textNode(key.String()), toNode(v.MapIndex(key), join(path, key.String()), files))
		}
	case "bool", "int":
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!" + name, Value: render(v)}
	default:
		return textNode(render(v))
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

// render writes a value as it is written in the environment: a list as a,b and a map as a=b,c=d.
func render(v reflect.Value) string {
	var items []string
	switch name, _ := typeName(v.Type()); name {
	case "duration":
		return Duration(time.Duration(v.Int()))
	case "list":
		for _, element := range v.Seq2() {
			items = append(items, render(element))
		}
	case "map":
		for _, key := range sortedKeys(v) {
			items = append(items, key.String()+"="+render(v.MapIndex(key)))
		}
	case "section":
		return ""
	default:
		if marshaler, ok := v.Interface().(encoding.TextMarshaler); ok {
			text, _ := marshaler.MarshalText() // a default or an accepted value
			return string(text)
		}
		return fmt.Sprint(v.Interface())
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

// Mask stands for a secret wherever the configuration is shown.
const Mask = setting.Mask
