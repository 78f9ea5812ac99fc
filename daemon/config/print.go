package config

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

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
	add := func(key string, value reflect.Value) {
		made.Content = append(made.Content, textNode(key, "string"), node(value))
	}
	switch kindOf(v) {
	case "section":
		for _, key := range keysOf("", v) {
			if key.obsolete == "" {
				add(key.Name, key.value)
			}
		}
	case "list":
		made.Kind = yaml.SequenceNode
		for _, element := range v.Seq2() {
			made.Content = append(made.Content, node(element))
		}
	case "map":
		for _, key := range slices.SortedFunc(v.Seq(), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			add(key.String(), v.MapIndex(key))
		}
	default:
		content := v.Interface()
		if d, ok := content.(time.Duration); ok {
			content = Duration(d)
		} else if secret, ok := content.(setting.Secret); ok && secret.File() != "" {
			content = ""
		}
		_ = made.Encode(content) // it does not fail for a default or an accepted value
	}
	return made
}

// render writes what a node holds as it is written in the environment: a list as a,b and a map as a=b,c=d.
func render(node *yaml.Node) string {
	text, separator := node.Value, ""
	for i, element := range node.Content {
		text += separator + render(element)
		if separator = ","; node.Kind == yaml.MappingNode && i%2 == 0 {
			separator = "="
		}
	}
	return text
}

var zeros = regexp.MustCompile(`([hm])(0m)?0s$`)

// Duration writes a duration as the configuration does: 5m instead of 5m0s.
func Duration(d time.Duration) string { return zeros.ReplaceAllString(d.String(), "$1") }
