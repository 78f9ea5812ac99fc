package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
)

const envPrefix = "PRESENCE_"

// notOurs are the variables that container platforms set for a service named "presence": they mean no key.
var notOurs = regexp.MustCompile(`^PRESENCE_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME|ENV_\w+)$`)

// readEnv reads the variables whose names start with PRESENCE_. Those in reserved mean something to the caller.
func (s *schema) readEnv(environ, reserved []string) (layer, Faults) {
	found := newLayer()
	var faults Faults
	byEnv := map[string]*leaf{}
	for _, l := range s.leaves {
		byEnv[l.env()] = l
	}
	transform := func(name, text string) (string, any) {
		l := byEnv[name]
		if l == nil {
			if !slices.Contains(reserved, name) && !notOurs.MatchString(name) {
				faults.add("", "environment variable "+name, "%s", unknownEnv(name, byEnv))
			}
			return "", nil
		}
		value, err := l.parse(text)
		if err != nil {
			faults.add("environment variable "+name, l.name, "%w", err)
			return "", nil
		}
		found.origin[l.name] = "environment variable " + name
		return l.name, value
	}
	provider := env.Provider("", env.Opt{
		Prefix:        envPrefix,
		EnvironFunc:   func() []string { return environ },
		TransformFunc: transform,
	})
	values, err := provider.Read()
	if err != nil {
		faults.add("environment", "", "%w", err)
	}
	found.values = values
	return found, faults
}

func unknownEnv(name string, byEnv map[string]*leaf) string {
	names := make([]string, 0, len(byEnv))
	for known := range byEnv {
		names = append(names, strings.TrimPrefix(known, envPrefix))
	}
	slices.Sort(names)
	if near := nearest(strings.TrimPrefix(name, envPrefix), names); near != "" {
		return "there is no such key; did you mean " + envPrefix + near + "?"
	}
	return "there is no such key; a variable is named " + envPrefix + "SECTION__KEY"
}
