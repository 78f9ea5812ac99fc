package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
)

const envPrefix = "PRESENCE_"

// notOurs are the variables that container platforms set for a service named "presence": they mean no key.
var notOurs = regexp.MustCompile(`^PRESENCE_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME|ENV_\w+)$`)

// readEnv reads the variables whose names start with PRESENCE_. Those in reserved mean something to the caller.
func (s *schema) readEnv(environ, reserved []string) (layer, Faults) {
	found := newLayer()
	var faults Faults
	byEnv, names := map[string]*Key{}, []string{}
	for i, key := range s.keys {
		if key.Env != "" {
			byEnv[key.Env] = &s.keys[i]
			names = append(names, strings.TrimPrefix(key.Env, envPrefix))
		}
	}
	provider := env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := byEnv[name]
			switch {
			case key != nil:
				found.set(key, "environment variable "+name, value)
				return key.Name, text(value)
			case slices.Contains(reserved, name) || notOurs.MatchString(name):
			default:
				hint := "; a variable is named " + envPrefix + "SECTION__KEY"
				if near := nearest(strings.TrimPrefix(name, envPrefix), names); near != "" {
					hint = "; did you mean " + envPrefix + near + "?"
				}
				faults.add("environment variable "+name, "", "there is no such key%s", hint)
			}
			return "", nil
		},
	})
	values, err := provider.Read()
	if err != nil {
		faults.add("environment", "", "%w", err)
	}
	found.values = values
	return found, faults
}

// AddFlags defines a flag for every key that has one: --http.listen for http.listen.
func AddFlags(flags *pflag.FlagSet, sections ...Section) error {
	keys, err := allKeys(sections)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Flag == "" {
			continue
		}
		flag := flags.VarPF(&flagValue{key: key, text: key.Default}, key.Name, "", key.Help)
		flag.Hidden = key.obsolete != ""
		if key.Type == "bool" {
			flag.NoOptDefVal = "true"
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

// Set refuses what cannot be read as the key's type.
func (f *flagValue) Set(given string) error {
	_, err := decoder{}.hook(reflect.ValueOf(text(given)), reflect.Zero(f.key.kind))
	f.text = given
	return err
}

// readFlags takes the flags that were given and that AddFlags has defined.
func (s *schema) readFlags(flags *pflag.FlagSet) (layer, Faults) {
	found := newLayer()
	if flags == nil {
		return found, nil
	}
	values, err := posflag.ProviderWithFlag(flags, ".", nil, func(flag *pflag.Flag) (string, any) {
		value, ours := flag.Value.(*flagValue)
		key := s.key(flag.Name)
		if !ours || key == nil || !flag.Changed {
			return "", nil
		}
		found.set(key, key.Flag, value.text)
		return key.Name, text(value.text)
	}).Read()
	if err != nil {
		return found, Faults{{Where: "flags", Err: fmt.Errorf("reading them: %w", err)}}
	}
	found.values = values
	return found, nil
}
