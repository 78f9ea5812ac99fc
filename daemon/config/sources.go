package config

import (
	"cmp"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

// source is a file, the environment or the flags while it is read.
type source struct {
	*Loaded
	values map[string]any // what it sets, by key
}

// set sets a key to a text, as koanf's providers want it: there is no key if there is nothing to set.
func (s *source) set(key Key, where, text string) (string, any) {
	if !s.ignores(key.Name, where) {
		return put(s.values, key.Name, s.value(key.Name, where, textNode(text, key.Type), key.value))
	}
	return "", nil
}

// textNode is what a text of the environment, a flag or a presence.cfg is in YAML, where every scalar has the type that is wanted.
func textNode(text, kind string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: scalars[kind], Value: text}
	switch kind {
	case "list":
		node.Kind = yaml.SequenceNode
		for _, item := range words(text, ",") {
			node.Content = append(node.Content, textNode(item, "string"))
		}
	case "map":
		items := words(text, ",")
		for _, item := range items {
			if key, value, found := strings.Cut(item, "="); found {
				node.Content = append(node.Content, textNode(strings.TrimSpace(key), "string"), textNode(strings.TrimSpace(value), "string"))
			}
		}
		if len(node.Content) == 2*len(items) { // else the text is refused as it is
			node.Kind = yaml.MappingNode
		}
	}
	return node
}

// words are what stands between separators, without empty ones.
func words(text, separators string) (found []string) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if word = strings.TrimSpace(word); word != "" {
			found = append(found, word)
		}
	}
	return found
}

// put stores a value, if there is one. The name of a secret's file takes the place of the secret: a source that sets either of them replaces
// both of an earlier source.
func put(values map[string]any, key string, made any) (string, any) {
	now, ok := made.(value)
	if now.File {
		key = strings.TrimSuffix(key, fileSuffix)
	}
	before, twice := values[key].(value)
	switch {
	case made == nil:
		return "", nil
	case !ok || !twice || before.File == now.File || before.text() == "":
		values[key] = made
	case now.text() != "":
		if before.File {
			now = before
		}
		now.Both = true
		values[key] = now
	}
	return key, values[key]
}

const envPrefix = "PRESENCE_"

// notOurs are the variables that container platforms set for a service named "presence": they mean no key.
var notOurs = regexp.MustCompile(`^PRESENCE_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME|ENV_\w+)$`)

// env reads the variables whose names start with PRESENCE_. Those in reserved mean something to the caller.
func (s *source) env(environ, reserved []string) *env.Env {
	known := map[string]Key{}
	for _, key := range s.keys {
		known[key.Env] = key
	}
	read := func(variable, text string) (string, any) {
		where := "environment variable " + variable
		if key, ok := known[variable]; ok {
			return s.set(key, where, text)
		}
		if !slices.Contains(reserved, variable) && !notOurs.MatchString(variable) {
			hint := suggest.DidYouMean(variable, slices.Sorted(maps.Keys(known)))
			s.fault(where, "", errors.New("there is no such key"+cmp.Or(hint, "; a variable is named "+envPrefix+"SECTION__KEY")))
		}
		return "", nil
	}
	return env.Provider(".", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ }, TransformFunc: read})
}

// AddFlags defines a flag for every key that has one: --http.listen for http.listen.
func AddFlags(flags *pflag.FlagSet, sections ...Section) error {
	s, err := newSchema(sections)
	if err != nil {
		return err
	}
	for _, key := range s.keys {
		if key.Flag != "" {
			flag := flags.VarPF(&flagValue{key: key, text: key.Default}, key.Name, "", key.Help)
			flag.Hidden = key.obsolete != ""
			if key.Type == "bool" {
				flag.NoOptDefVal = "true"
			}
		}
	}
	return nil
}

// flagValue is a pflag.Value that refuses what is not of its key's type.
type flagValue struct {
	key  Key
	text string
}

// String returns the text that Set was given, or the default.
func (f *flagValue) String() string { return f.text }

// Type names the type in the help text.
func (f *flagValue) Type() string { return f.key.Type }

// Set refuses what cannot be read as the key's type. It reads no file.
func (f *flagValue) Set(text string) error {
	f.text = text
	trial := &source{Loaded: new(Loaded)}
	trial.value("", "", textNode(text, f.key.Type), f.key.value)
	return joined(trial.faults)
}

// flags reads the flags that were given and that AddFlags has defined.
func (s *source) flags(flags *pflag.FlagSet) *posflag.Posflag {
	return posflag.ProviderWithFlag(flags, ".", nil, func(flag *pflag.Flag) (string, any) {
		if ours, ok := flag.Value.(*flagValue); ok && flag.Changed {
			return s.set(ours.key, "--"+flag.Name, ours.text)
		}
		return "", nil
	})
}
