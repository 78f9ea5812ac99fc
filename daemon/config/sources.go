package config

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

// set sets a key to a text, among the values of a source. It returns what koanf's providers want: no key if there is nothing to set.
func (l *Loaded) set(values map[string]any, key Key, where, text string) (string, any) {
	name, now := put(values, key.Name, l.value(key, where, textNode(text, key.Type)))
	if old := l.current(name); now != nil && l.key[name].Secret && old.Text != "" {
		l.note(where, key.Name, "it takes the place of the secret that is set by %s", old.Where)
	}
	return name, now
}

// put stores a value, unless it is nil. The name of a secret's file takes the place of the secret: a source that sets either of them replaces
// both of an earlier source.
func put(values map[string]any, key string, made any) (string, any) {
	if made == nil {
		return "", nil
	}
	now, _ := made.(value)
	if now.File {
		key = strings.TrimSuffix(key, fileSuffix)
	}
	if before, twice := values[key].(value); twice && before.File != now.File {
		now.Both = true
		made = now
	}
	values[key] = made
	return key, made
}

// textNode is what a text of the environment, a flag or a presence.cfg is in YAML, where every scalar has the type that is wanted.
func textNode(text, kind string) *yaml.Node {
	scalar := &yaml.Node{Kind: yaml.ScalarNode, Tag: tags[kind], Value: text}
	made, parts := &yaml.Node{Kind: yaml.SequenceNode}, 1
	if kind == "map" {
		made.Kind, parts = yaml.MappingNode, 2
	} else if kind != "list" {
		return scalar
	}
	for item := range strings.SplitSeq(text, ",") {
		pair := strings.SplitN(item, "=", parts)
		if strings.TrimSpace(item) == "" {
			continue
		} else if len(pair) < parts {
			return scalar
		}
		for _, part := range pair {
			made.Content = append(made.Content, textNode(strings.TrimSpace(part), "string"))
		}
	}
	return made
}

const envPrefix = "PRESENCE_"

// notOurs are the variables, with their values, that container platforms set for a service named "presence", or "presence-web": they mean no key.
// The names of keys have two underscores.
var notOurs = regexp.MustCompile(`^PRESENCE_(NAME=|ENV_\w+=|([A-Z0-9]+_)*(SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT=(tcp|udp|sctp)://|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=))`)

// env reads the variables whose names start with PRESENCE_. Those in reserved mean something to the caller.
func (l *Loaded) env(environ, reserved []string) *env.Env {
	known, values := make([]string, len(l.keys)), map[string]any{}
	for i, key := range l.keys {
		known[i] = key.Env
	}
	read := func(variable, text string) (string, any) {
		where := "environment variable " + variable
		if i := slices.Index(known, variable); i >= 0 {
			return l.set(values, l.keys[i], where, text)
		}
		if !slices.Contains(reserved, variable) && !notOurs.MatchString(variable+"="+text) {
			hint := cmp.Or(suggest.DidYouMean(variable, known), "; a variable is named "+envPrefix+"SECTION__KEY")
			l.fault(where, "", errors.New("there is no such key"+hint))
		}
		return "", nil
	}
	return env.Provider(".", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ }, TransformFunc: read})
}

// ObsoleteFlag is an annotation of a flag that means nothing any more.
const ObsoleteFlag = "obsolete"

// AddFlags defines a flag for every key that has one: --http.listen for http.listen. What is wrong with its text Load says.
func AddFlags(flags *pflag.FlagSet, sections ...Section) error {
	s, err := newSchema(sections)
	for _, key := range s.keys {
		if key.Flag == "" || err != nil {
			continue
		}
		flags.String(key.Name, key.Default, key.Help)
		flag := flags.Lookup(key.Name)
		flag.Value, flag.Hidden = typed{flag.Value, key.Type}, key.obsolete != ""
		if key.obsolete != "" {
			flag.Annotations = map[string][]string{ObsoleteFlag: nil}
		}
		if key.Type == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return err
}

// typed is a text that the help text gives a type.
type typed struct {
	pflag.Value
	kind string
}

// Type implements pflag.Value.
func (t typed) Type() string { return t.kind }

// flags reads the flags that were given and that AddFlags has defined.
func (l *Loaded) flags(flags *pflag.FlagSet) *posflag.Posflag {
	values := map[string]any{}
	return posflag.ProviderWithFlag(flags, ".", nil, func(flag *pflag.Flag) (string, any) {
		if key, ours := l.key[flag.Name]; ours && flag.Changed {
			return l.set(values, key, key.Flag, flag.Value.String())
		}
		return "", nil
	})
}
