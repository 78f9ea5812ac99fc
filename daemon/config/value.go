package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

// value is what a source says of a key. It is decoded once all sources are read.
type value struct {
	Text       string
	Elements   any    // instead, of a list or a map: []any or map[string]any
	Key, Where string // see fault
	File       bool   // Text is the name of a file with a secret
	Both       bool   // and the secret itself is set too
}

// place is where a node stands: around, if it is not of a file.
func (l *Loaded) place(node *yaml.Node, around string) string {
	if node.Line == 0 {
		return around
	}
	return fmt.Sprintf("%s:%d", l.file, node.Line)
}

// tags are those that scalars of each type may have in YAML.
var tags = map[string]string{"string": "!!str", "bool": "!!bool", "int": "!!int", "duration": "!!str !!int", "size": "!!str !!int"}

// value takes what a node says of a key, and tells every fault in it. Of a section it returns those keys that are right as a map, of anything
// else a value, or nil if there is a fault in it.
func (l *Loaded) value(key Key, where string, node *yaml.Node) any {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	before, v := len(l.faults), value{Key: key.Name, Where: where, File: key.value.Type() == reflect.TypeFor[fileName]()}
	switch {
	case key.obsolete != "":
		l.note(where, key.Name, "ignored, it means nothing any more: %s", key.obsolete)
		return nil
	case node.ShortTag() == "!!null" && key.Type == "section" && !strings.ContainsAny(key.Name, ".["): // every key of it is commented out
		return nil
	case node.Kind == yaml.MappingNode && key.Type == "section":
		return l.pairs(key, where, node)
	case node.Kind == yaml.MappingNode && key.Type == "map":
		v.Elements = l.pairs(key, where, node)
	case node.Kind == yaml.SequenceNode && key.Type == "list":
		items := []any{}
		for i, item := range node.Content {
			items = append(items, l.value(key.element(fmt.Sprintf("%s[%d]", key.Name, i)), l.place(item, where), item))
		}
		v.Elements = items
	case node.Kind == yaml.ScalarNode && strings.Contains(tags[key.Type], node.ShortTag()):
		v.Text = node.Value
		_, err := parse(v.Text, key.value)
		if err != nil && key.value.Type() != reflect.TypeFor[setting.Roots]() { // else see unread
			l.fault(where, key.Name, err)
		} else if v.Text == "" && (v.File || key.Secret) { // such a variable is often just left over
			return nil
		}
	default:
		got := describe(node)
		if node.Kind == yaml.ScalarNode && node.ShortTag() != "!!null" && !strings.Contains(key.Name, ".") && holdsSecret(key.value.Type()) {
			got = "something else"
		}
		l.fault(where, key.Name, wrongType(key.value.Type(), got))
	}
	if len(l.faults) > before {
		return nil
	}
	return v
}

// pairs takes what a mapping says of the keys of a section or a map.
func (l *Loaded) pairs(key Key, around string, mapping *yaml.Node) map[string]any {
	var keys []Key
	if key.Type == "section" {
		keys = keysOf(key.Name, key.value)
	}
	found, first := map[string]any{}, map[string]string{}
	for pair := range slices.Chunk(mapping.Content, 2) {
		name, at, where := pair[0].Value, join(key.Name, pair[0].Value), l.place(pair[0], around)
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == at })
		switch {
		case pair[0].Kind != yaml.ScalarNode:
			l.fault(where, key.Name, unexpected("a key", describe(pair[0])))
		case first[name] != "":
			l.fault(where, at, fmt.Errorf("set twice, first in %s", first[name]))
		case key.Type == "map":
			put(found, name, l.value(key.element(at), where, pair[1]))
		case i >= 0:
			if keys[i].Type == "section" && key.Name == "" {
				l.begins[name] = where
			}
			put(found, name, l.value(keys[i], where, pair[1]))
		default:
			l.fault(where, at, l.unknown(at, keys))
		}
		first[name] = where
	}
	return found
}

func describe(node *yaml.Node) string {
	return cmp.Or(map[string]string{"!!null": "nothing", "!!map": "a map", "!!seq": "a list"}[node.ShortTag()], quote(node.Value))
}

var conversions = mapstructure.ComposeDecodeHookFunc(
	mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), mapstructure.StringToBasicTypeHookFunc())

// parse makes what a field holds, if that is neither list, map nor section.
func parse(text string, field reflect.Value) (any, error) {
	made, err := mapstructure.DecodeHookExec(conversions, reflect.ValueOf(text), field)
	if kind := kindOf(field.Type()); err != nil && kind != "string" && kind != "size" { // those say it themselves
		err = wrongType(field.Type(), quote(text))
	}
	return made, err
}

// hook makes a value what a field holds. Lists, maps and sections mapstructure decodes further, element by element.
func (l *Loaded) hook(from, to reflect.Value) (made any, err error) {
	v, isValue := from.Interface().(value)
	switch {
	case !isValue:
		return from.Interface(), nil
	case v.Elements != nil:
		to.SetZero() // a list or a map replaces the default
		return v.Elements, nil
	case v.Both:
		err = errors.New("both the secret and its file are set; remove one of them")
	case v.File:
		made, err = setting.ReadSecret(v.Text)
		if info, _ := os.Stat(v.Text); err == nil && info != nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			l.note(v.Where, v.Key, "every user of this machine can read %s; run: chmod o-rwx %[1]s", v.Text)
		}
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: %s", err, whoMayRead(v.Text))
		}
	default:
		made, err = parse(v.Text, to)
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
func wrongType(t reflect.Type, got string) error {
	want := expected[kindOf(t)]
	if kindOf(t) == "int" && t.Bits() < 64 {
		want += fmt.Sprintf(" of at most %d bits", t.Bits())
	}
	if isSecret(t) {
		got = "something else"
	}
	return unexpected(want, got)
}

// holdsSecret reports whether a section has a key that is a secret. Somebody may have written that in place of the section.
func holdsSecret(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for field := range t.Fields() {
		if isSecret(field.Type) {
			return true
		}
	}
	return false
}

func unexpected(want, got string) error { return fmt.Errorf("expected %s, got %s", want, got) }

// WriteYAML writes the effective configuration as YAML that Load reads, secrets apart: those are masked, unless they are empty.
func (l *Loaded) WriteYAML(w io.Writer) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(node(l.root)); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return encoder.Close()
}

// node makes a node of a value. Of a secret that comes from a file, the file is shown.
func node(v reflect.Value) *yaml.Node {
	made, content := &yaml.Node{Kind: yaml.MappingNode}, v.Interface()
	switch kindOf(v.Type()) {
	case "section":
		for _, key := range keysOf("", v) {
			if key.obsolete == "" {
				made.Content = append(made.Content, textNode(key.Name, "string"), node(key.value))
			}
		}
		return made
	case "list":
		items := []*yaml.Node{}
		for _, item := range v.Seq2() {
			items = append(items, node(item))
		}
		content = items
	case "map":
		items := map[string]*yaml.Node{}
		for key, item := range v.Seq2() {
			items[key.String()] = node(item)
		}
		content = items
	case "duration":
		content = Duration(time.Duration(v.Int()))
	}
	if secret, ok := content.(setting.Secret); ok && secret.File() != "" {
		content = ""
	}
	_ = made.Encode(content) // it does not fail for a default or an accepted value
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
