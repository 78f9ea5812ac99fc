package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

const envPrefix = "PRESENCE_"

// notOurs are the variables that container platforms set for a service named "presence": they mean no key.
var notOurs = regexp.MustCompile(`^PRESENCE_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME|ENV_\w+)$`)

// readEnv reads the variables whose names start with PRESENCE_. Those in reserved mean something to the caller.
func (s *schema) readEnv(environ, reserved []string) (found layer, faults []Fault) {
	found = newLayer()
	names := map[string]string{} // of keys, by their variables without the prefix
	for _, key := range s.keys {
		if key.Env != "" {
			names[strings.TrimPrefix(key.Env, envPrefix)] = key.Name
		}
	}
	transform := func(variable, value string) (string, any) {
		name := strings.TrimPrefix(variable, envPrefix)
		key, where := names[name], "environment variable "+variable
		if key != "" {
			found.set(key, where, value)
			return key, text(value)
		}
		if !slices.Contains(reserved, variable) && !notOurs.MatchString(variable) {
			hint := "; a variable is named " + envPrefix + "SECTION__KEY"
			if near := suggest.Nearest(name, slices.Sorted(maps.Keys(names))); near != "" {
				hint = "; did you mean " + envPrefix + near + "?"
			}
			faults = append(faults, faultf(where, "", "there is no such key%s", hint))
		}
		return "", nil
	}
	provider := env.Provider(".", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ }, TransformFunc: transform})
	found.values, _ = provider.Read() // it does not fail
	return found, faults
}

// AddFlags defines a flag for every key that has one: --http.listen for http.listen.
func AddFlags(flags *pflag.FlagSet, sections ...Section) error {
	s, err := newSchema(sections)
	if err != nil {
		return err
	}
	for _, key := range s.keys {
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

// Set refuses what cannot be read as the key's type. It reads no file.
func (f *flagValue) Set(given string) (err error) {
	if f.text = given; f.key.Type != "string" {
		_, err = hook(reflect.ValueOf(text(given)), reflect.Zero(f.key.kind))
	}
	return err
}

// readFlags takes the flags that were given and that AddFlags has defined.
func (s *schema) readFlags(flags *pflag.FlagSet) layer {
	found := newLayer()
	if flags == nil {
		return found
	}
	provider := posflag.ProviderWithFlag(flags, ".", nil, func(flag *pflag.Flag) (string, any) {
		value, ours := flag.Value.(*flagValue)
		if !ours || !flag.Changed {
			return "", nil
		}
		found.set(flag.Name, "--"+flag.Name, value.text)
		return flag.Name, text(value.text)
	})
	found.values, _ = provider.Read() // it does not fail
	return found
}
