package config

import (
	"strconv"

	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
)

// AddFlags defines a flag for every key that is not secret: --http.listen for http.listen.
func AddFlags(flags *pflag.FlagSet, sections ...Section) error {
	s, err := newSchema(sections)
	if err != nil {
		return err
	}
	for _, l := range s.leaves {
		if l.secret {
			continue
		}
		flag := flags.VarPF(&flagValue{leaf: l, text: render(l.value)}, l.name, "", l.help)
		if l.kind == kindBool {
			flag.NoOptDefVal = strconv.FormatBool(true)
		}
	}
	return nil
}

// flagValue is a pflag.Value that refuses what is not of its key's type.
type flagValue struct {
	leaf *leaf
	text string
}

// String returns the text that Set was given, or the default.
func (f *flagValue) String() string { return f.text }

// Type names the type in the help text.
func (f *flagValue) Type() string { return f.leaf.kind.String() }

// Set refuses what cannot be read as the key's type.
func (f *flagValue) Set(text string) error {
	_, err := f.leaf.parse(text)
	f.text = text
	return err
}

// readFlags takes the flags that were given and that AddFlags has defined.
func (s *schema) readFlags(flags *pflag.FlagSet) (layer, Faults) {
	found := newLayer()
	var faults Faults
	if flags == nil {
		return found, nil
	}
	take := func(flag *pflag.Flag) (string, any) {
		l := s.byName[flag.Name]
		if _, ours := flag.Value.(*flagValue); !ours || l == nil || !flag.Changed {
			return "", nil
		}
		value, err := l.parse(flag.Value.String())
		if err != nil {
			faults.add("--"+flag.Name, "", "%w", err)
			return "", nil
		}
		found.origin[l.name] = "--" + l.name
		return l.name, value
	}
	values, err := posflag.ProviderWithFlag(flags, "", nil, take).Read()
	if err != nil {
		faults.add("flags", "", "%w", err)
	}
	found.values = values
	return found, faults
}
