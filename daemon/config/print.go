package config

import (
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
	root := node(l.root)
	for _, block := range append(root.Content, root) {
		if block.Kind == yaml.MappingNode {
			block.Style = 0
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
func node(v reflect.Value) *yaml.Node {
	made := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	switch kindOf(v.Type()) {
	case "section":
		for _, key := range keysOf("", v) {
			made.Content = append(made.Content, textNode(key.Name, "string"), node(key.value))
		}
	case "list":
		made.Kind = yaml.SequenceNode
		for _, element := range v.Seq2() {
			made.Content = append(made.Content, node(element))
		}
	case "map":
		for _, key := range slices.SortedFunc(v.Seq(), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			made.Content = append(made.Content, textNode(key.String(), "string"), node(v.MapIndex(key)))
		}
	default:
		content := v.Interface()
		switch typed := content.(type) {
		case time.Duration:
			content = Duration(typed)
		case setting.Secret:
			if typed.File() != "" {
				content = ""
			}
		}
		_ = made.Encode(content) // it does not fail for a default or an accepted value
	}
	return made
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
