package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/setting"
)

// Input is where the configuration comes from, each source over the one before it. All of them may be absent.
type Input struct {
	File        string         // a YAML file, or the original's presence.cfg
	Environ     []string       // as os.Environ returns it
	ReservedEnv []string       // variables that start with PRESENCE_ and are no keys
	Flags       *pflag.FlagSet // in which AddFlags has defined the keys' flags
}

// Loaded is what Load has found out besides the values.
type Loaded struct {
	*schema
	file   string
	legacy bool         // the file is a presence.cfg
	all    *koanf.Koanf // a value for each key that is set
	faults []Fault
	unread []Fault // of files that keys name; they count if the section is in use
	notes  []Fault // what is strange; it counts if the section is in use
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error joins Faults, each of which
// names its place; a key at fault keeps its default. What the values mean is not looked at: that is Validate's part. If Load returns an error and
// a Loaded, Validate tells what is wrong besides.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	l := &Loaded{schema: s, file: in.File, all: koanf.New(".")}
	file, readable := l.source(), true
	if in.File != "" {
		readable = file.read()
	}
	providers := []koanf.Provider{confmap.Provider(file.values, "."), l.source().env(in.Environ, in.ReservedEnv)}
	if in.Flags != nil {
		providers = append(providers, l.source().flags(in.Flags))
	}
	for _, provider := range providers {
		if err := l.merge(provider); err != nil {
			return nil, err
		}
	}
	if err := l.decode(); err != nil { // no mistake in the input: those have been found
		return nil, err
	}
	if !readable { // Validate would miss things
		return nil, joined(l.faults)
	}
	return l, joined(l.faults)
}

func (l *Loaded) source() *source { return &source{l, map[string]any{}} }

// maxFile is the largest configuration file that is read, in bytes. A larger one is surely something else.
const maxFile = 1 << 20

// read reports whether the file can be read. If it can, there may be faults in it.
func (s *source) read() (readable bool) {
	data, err := setting.ReadFile(s.file, maxFile)
	if err == nil && !utf8.Valid(data) {
		err = fmt.Errorf("%s: it is not UTF-8 text", s.file)
	}
	if err != nil {
		s.fault("", "", fmt.Errorf("cannot read the configuration: %w", err))
		return false
	}
	return s.parse(data)
}

// parse reports whether the text can be read.
func (s *source) parse(data []byte) (readable bool) {
	if s.legacy = isLegacy(s.file, data); s.legacy {
		s.readLegacy(data)
		return true
	}
	root, err := parseYAML(data)
	if err != nil {
		s.fault(s.file, "", err)
		return false
	}
	values, isMap := s.value("", s.place(root, ""), root, s.root).(map[string]any)
	s.values = values
	return isMap || isNull(root)
}

// assignment is a text whose first line that says something is key = value.
var assignment = regexp.MustCompile(`\A(\s*#.*\n|\s*\n)*\s*[^#=:\s][^=:\n]*=`)

// isLegacy tells the original's presence.cfg from YAML: by the extension, and failing that by the first line that says something.
func isLegacy(name string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".cfg":
		return true
	case ".yaml", ".yml":
		return false
	}
	return assignment.Match(data)
}

// merge lays a source over those before it.
func (l *Loaded) merge(provider koanf.Provider) error {
	over := koanf.New(".")
	if err := over.Load(provider, nil); err != nil {
		return err
	}
	for _, key := range l.keys {
		old, now := valueOf(l.all, key.Name), valueOf(over, key.Name)
		switch {
		case !key.Secret || old.text() == "" || !over.Exists(key.Name):
		case now.text() != "":
			l.note(now.Where, now.Key, "it takes the place of the secret that is set by %s", old.Where)
		case now.File != old.File: // a variable without a value is often just left over
			over.Delete(key.Name)
		}
	}
	return l.all.Merge(over)
}

// decode fills the sections' structs.
func (l *Loaded) decode() error {
	return l.all.UnmarshalWithConf("", l.root.Addr().Interface(), koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook:           mapstructure.DecodeHookFuncValue(l.hook),
		ErrorUnused:          true,
		Squash:               true,
		IgnoreUntaggedFields: true,
		MatchName:            func(key, field string) bool { return key == field },
	}})
}

// valueOf returns what is set for a key, or nothing.
func valueOf(ko *koanf.Koanf, key string) value {
	v, _ := ko.Get(key).(value)
	return v
}
