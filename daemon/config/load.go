// Package config reads the daemon's configuration: defaults, then one file, then the environment, then flags, each over the one
// before it. Package daemon/internal/wiring calls it; commands reach it through that.
//
// It knows no adapter. It is given sections, each a name and a pointer to a struct that holds the defaults, and koanf decodes into them:
//
//	Listen string `koanf:"listen" help:"address and port to listen on"`
//
// A key may be a text, bool, whole number, time.Duration, setting.Secret, or anything that implements encoding.TextUnmarshaler; a list or a map
// of texts; or, in the file only, a list or a map of structs of such keys. A tag obsolete:"why" makes it one that means nothing any more.
//
// A setting.Secret is masked wherever the configuration is shown and has no flag, because every user of a machine can read command lines.
// Beside a secret key x there is a key x_file that names a file with the secret. The two count as one.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

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
	schema
	file   string
	legacy bool         // the file is a presence.cfg
	all    *koanf.Koanf // a value for each key that is set
	faults []error      // each is a fault
	unread []error      // those of files that keys name; they count if the section is in use
	notes  []error      // what is strange; it counts if the section is in use
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error has a line for each thing that is
// wrong: where, what, and what was expected, without secrets. A key at fault keeps its default. What the values mean is not looked at: that is
// Validate's part. If Load returns an error and a Loaded, Validate tells what is wrong besides.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	l := &Loaded{schema: s, file: in.File, all: koanf.New(".")}
	file := l.source()
	readable := file.read()
	err = errors.Join(l.all.Load(confmap.Provider(file.values, "."), nil), l.all.Load(l.source().env(in.Environ, in.ReservedEnv), nil),
		l.all.Load(l.source().flags(cmp.Or(in.Flags, &pflag.FlagSet{})), nil), l.decode())
	if err != nil { // no mistake in the input: those have been found
		return nil, err
	}
	if !readable { // Validate would miss things
		return nil, errors.Join(l.faults...)
	}
	return l, errors.Join(l.faults...)
}

func (l *Loaded) source() *source { return &source{l, map[string]any{}} }

// maxFile is the largest configuration file that is read, in bytes. A larger one is surely something else.
const maxFile = 1 << 20

// read reports whether the file can be read. If it can, there may be faults in it.
func (s *source) read() (readable bool) {
	if s.file == "" {
		return true
	}
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

// assignment is a text whose first line that says something is key = value.
var assignment = regexp.MustCompile(`\A(\s*#.*\n|\s*\n)*\s*[^#=:\s][^=:\n]*=`)

// isLegacy tells the original's presence.cfg from YAML.
func isLegacy(name string, data []byte) bool {
	extension := strings.ToLower(filepath.Ext(name))
	return extension == ".cfg" || extension != ".yaml" && extension != ".yml" && assignment.Match(data)
}

func (s *source) parse(data []byte) (readable bool) {
	if s.legacy = isLegacy(s.file, data); s.legacy {
		s.readLegacy(string(data))
		return true
	}
	document := yaml.Node{Content: []*yaml.Node{textNode("", "")}} // for a file without any
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&document)
	if err == nil && !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF) {
		err = errors.New("more than one YAML document: remove everything from the second --- on")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.fault(s.file, "", errors.New(strings.TrimPrefix(err.Error(), "yaml: ")))
		return false
	}
	root := document.Content[0]
	values, isMap := s.value(Key{Type: "section", value: s.root}, s.place(root, ""), root).(map[string]any)
	s.values = values
	return isMap || isNull(root)
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

// current returns what is set for a key by the sources that have been read, or nothing.
func (l *Loaded) current(key string) value {
	v, _ := l.all.Get(key).(value)
	return v
}
