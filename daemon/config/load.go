// Package config reads the daemon's configuration: defaults, then one file, then the environment, then flags, each over the one
// before it. Package daemon/internal/wiring calls it; commands reach it through that.
//
// It knows no adapter. It is given sections, each a name and a pointer to a struct that holds the defaults, and koanf decodes into them:
//
//	Listen string `koanf:"listen" help:"address and port to listen on"`
//
// A key may be a text, bool, whole number, time.Duration, setting.Secret, or anything that implements encoding.TextUnmarshaler; a list or a map
// of texts; or, in the file only, a list or a map of structs of such keys. A tag choice:"a,b" lists the values
// for whoever completes them; to refuse others is Validate's part. A tag obsolete:"why" makes it one that means nothing any more, and a tag
// change:"restart" one whose change takes effect at the next start, not when the configuration is read anew. Beside a setting.Secret x there is a key
// x_file that names a file with the secret. The two count as one, and x has no flag: everybody can read those.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	legacy map[string]string // the lines of legacy.cfg, if the file is a presence.cfg
	begins map[string]string // the place where each section begins in the file
	all    *koanf.Koanf      // a value for each key that is set
	faults []error           // each is a fault
	unread []error           // those of files that keys name; they count if the section is in use
	notes  []error           // what is strange; it counts if the section is in use
}

// Load reads the input over the defaults in the sections' structs and writes the result there. The error has a line for each thing that is
// wrong: where, what, and what was expected, without secrets. A key at fault keeps its default. What the values mean is not looked at: that is
// Validate's part. If Load returns an error and a Loaded, Validate tells what is wrong besides.
func Load(in Input, sections ...Section) (*Loaded, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	l := &Loaded{schema: s, file: in.File, begins: map[string]string{}, all: koanf.New(".")}
	values, err := l.read()
	if err != nil { // Validate would miss things
		return nil, err
	}
	decoding := &mapstructure.DecoderConfig{
		DecodeHook:           mapstructure.DecodeHookFuncValue(l.hook),
		ErrorUnused:          true,
		Squash:               true,
		IgnoreUntaggedFields: true,
	}
	err = errors.Join(l.all.Load(confmap.Provider(values, "."), nil), l.all.Load(l.env(in.Environ, in.ReservedEnv), nil),
		l.all.Load(l.flags(cmp.Or(in.Flags, &pflag.FlagSet{})), nil),
		l.all.UnmarshalWithConf("", l.root.Addr().Interface(), koanf.UnmarshalConf{DecoderConfig: decoding}))
	if err != nil { // no mistake in the input: those are faults
		return nil, err
	}
	return l, errors.Join(l.faults...)
}

const maxFile = 1 << 20 // bytes; a larger one is surely no configuration

// read returns what the file sets, or an error if it cannot be read at all.
func (l *Loaded) read() (values map[string]any, err error) {
	if l.file == "" {
		return nil, nil
	}
	data, err := setting.ReadFile(l.file, maxFile)
	if err == nil && !utf8.Valid(data) {
		err = fmt.Errorf("%s: it is not UTF-8 text", l.file)
	}
	if errors.Is(err, fs.ErrPermission) { // a presence.cfg holds a secret
		err = fmt.Errorf("%w: %s", err, whoMayRead(l.file))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if isLegacy(l.file, data) {
		return l.readLegacy(string(data)), nil
	}
	document := yaml.Node{Content: []*yaml.Node{textNode("", "")}} // for a file without any
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err = decoder.Decode(&document)
	if err == nil {
		var second yaml.Node
		if err = decoder.Decode(&second); err == nil {
			return nil, fmt.Errorf("%s: more than one YAML document: remove everything from here on", l.place(&second, l.file))
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, l.syntax(err, data)
	}
	root := document.Content[0]
	values, isMap := l.value(Key{Type: "section", value: l.root}, l.place(root, ""), root).(map[string]any)
	if !isMap {
		return nil, errors.Join(l.faults...) // none if every key is commented out
	}
	return values, nil
}

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntax makes an error of what the YAML parser says.
func (l *Loaded) syntax(err error, data []byte) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	found := syntaxLine.FindStringSubmatch(text)
	if strings.HasPrefix(text, "unknown anchor ") { // the rest may be a secret
		text = "a value begins with *, which stands for a YAML alias; put it in quotes"
	}
	if found == nil {
		return fmt.Errorf("%s: %s", l.file, text)
	}
	number, _ := strconv.Atoi(found[1]) // it has digits
	reason := strings.TrimPrefix(text, found[0])
	if reason == notAnchor {
		reason = "a value that begins with * or & must stand in quotes"
	}
	lines := strings.Split(string(data), "\n")
	if i := number - 1; i >= 0 && i < len(lines) && indentedByTab.MatchString(lines[i]) {
		reason = "a line is indented by a tab; use spaces"
	}
	return fmt.Errorf("%s:%d: %s", l.file, number, reason)
}

// notAnchor is what the YAML parser says of *@example.test, for it takes that for the name of an anchor.
const notAnchor = "did not find expected alphabetic or numeric character"

var indentedByTab = regexp.MustCompile(`^\s*\t`)

// assignment is a text whose first line that says something is key = value.
var assignment = regexp.MustCompile(`\A(\s*#.*\n|\s*\n)*\s*[^#=:\s][^=:\n]*=`)

// isLegacy tells the original's presence.cfg from YAML.
func isLegacy(name string, data []byte) bool {
	extension := strings.ToLower(filepath.Ext(name))
	return extension == ".cfg" || extension != ".yaml" && extension != ".yml" && assignment.Match(data)
}

// current returns what is set for a key by the sources that have been read, or nothing.
func (l *Loaded) current(key string) value {
	v, _ := l.all.Get(key).(value)
	return v
}

// Sets reports whether the input says something of a section.
func (l *Loaded) Sets(section string) bool {
	_, begins := l.begins[section]
	return begins || len(l.all.Cut(section).Keys()) > 0
}

// Faulty reports whether the input says of a key what cannot be read.
func (l *Loaded) Faulty(key string) bool {
	return slices.ContainsFunc(l.faults, func(f error) bool { return keyOf(f) == key || strings.HasPrefix(keyOf(f), key+"[") })
}

// fault is something that is wrong or strange, on one line: the place, the key and the reason.
type fault struct {
	key string
	error
}

// at makes a fault. The place is file:line, an environment variable or a flag, or empty; the key is as it was written there, or empty.
func at(where, key string, err error) error {
	line := []string{where, strings.Trim(quote(inWords(key)), `"`), strings.ReplaceAll(err.Error(), "\n", "; ")}
	if where == "--"+key { // not the same name twice
		line[1] = ""
	}
	return fault{key, errors.New(strings.Join(slices.DeleteFunc(line, func(part string) bool { return part == "" }), ": "))}
}

var inBrackets = regexp.MustCompile(`\[(\d+)\]\.?`)

// inWords writes a key as a person finds it in the file: hooks[0].url is hooks: entry 1: url.
func inWords(key string) string {
	said := inBrackets.ReplaceAllStringFunc(key, func(part string) string {
		i, _ := strconv.Atoi(inBrackets.FindStringSubmatch(part)[1]) // it has digits
		return setting.Entry("", i, "") + ": "
	})
	return strings.TrimSuffix(said, ": ")
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string { return fmt.Sprintf("%.60q", text) }

func keyOf(err error) string {
	f, _ := errors.AsType[fault](err)
	return f.key
}

func (l *Loaded) fault(where, key string, err error) {
	l.faults = append(l.faults, at(where, key, err))
}

func (l *Loaded) note(where, key, format string, args ...any) {
	l.notes = append(l.notes, at(where, key, fmt.Errorf(format, args...)))
}

// said returns the faults in the chosen sections, and what these sections say themselves: lines that begin with a key.
func (l *Loaded) said(faults []error, chosen func(section string) bool, say func(config any) []string) []error {
	said := slices.DeleteFunc(slices.Clone(faults), func(f error) bool { return !chosen(keyOf(f)[:max(strings.Index(keyOf(f), "."), 0)]) })
	for _, section := range l.sections {
		for _, line := range say(section.Config) {
			key, _, _ := strings.Cut(line, ": ")
			if list, i, member := inList(line); i >= 0 {
				key = fmt.Sprintf("%s[%d].%s", list, i, member)
			}
			follows := func(f error) bool { return keyOf(f) == section.Name || strings.HasPrefix(keyOf(f), key) } // from what is told already
			if !chosen(section.Name) || slices.ContainsFunc(slices.Concat(l.faults, l.unread), follows) {
				continue
			}
			said = append(said, l.Placed(section.Name, line))
		}
	}
	return said
}

// Placed makes an error of a line that begins with a key of a section: it says where the value was set.
func (l *Loaded) Placed(section, line string) error {
	key, reason, named := strings.Cut(line, ": ")
	v := l.current(key)
	if strings.HasPrefix(v.Where, l.file) {
		reason += l.legacy["+ "+key]
	}
	switch {
	case !named:
		key, reason = "", line
	case v.File: // the fault is in the file
		key, reason = v.Key, v.Text+": "+reason
	}
	return at(cmp.Or(l.placeInList(line), v.Where, l.begins[section], l.file), key, errors.New(reason))
}

var aboutEntry = regexp.MustCompile(`^([a-z_.]+): entry (\d+)(?: \(.*?\))?: ([a-z_]*)`)

// inList finds the list in a line about one of its elements, the index of that, and its key that the line is about: hooks: entry 1 (crm): url. The
// index is -1 if there is no list.
func inList(line string) (list string, index int, key string) {
	found := aboutEntry.FindStringSubmatch(line)
	if found == nil {
		return "", -1, ""
	}
	number, err := strconv.Atoi(found[2])
	if err != nil { // a number that large is no entry's
		return "", -1, ""
	}
	return found[1], number - 1, found[3]
}

// placeInList says where in the file the element of a list is set that a line is about, or nothing.
func (l *Loaded) placeInList(line string) string {
	list, i, member := inList(line)
	elements, _ := l.current(list).Elements.([]any)
	if i < 0 || i >= len(elements) {
		return ""
	}
	element := elements[i]
	if keys, isSection := element.(map[string]any); isSection {
		element = keys[member]
		for _, name := range slices.Sorted(maps.Keys(keys)) { // the key at fault is missing
			element = cmp.Or(element, keys[name])
		}
	}
	v, _ := element.(value)
	return v.Where
}

// Validate returns what is wrong with the files that the chosen sections name, and what their methods Validate() error, if
// they have them, find: a line for each fault, with the place where the value was set.
func (l *Loaded) Validate(chosen func(section string) bool) error {
	return errors.Join(l.said(l.unread, chosen, func(config any) []string {
		if v, can := config.(interface{ Validate() error }); can {
			if err := v.Validate(); err != nil {
				return strings.Split(err.Error(), "\n")
			}
		}
		return nil
	})...)
}

// Warnings returns what the administrator should know, one line each, without secrets: about the file, and about values that are accepted, as
// the methods Warnings() []string of the chosen sections say.
func (l *Loaded) Warnings(chosen func(section string) bool) (warnings []string) {
	for _, warning := range l.said(l.notes, chosen, func(config any) []string {
		if v, can := config.(interface{ Warnings() []string }); can {
			return v.Warnings()
		}
		return nil
	}) {
		warnings = append(warnings, warning.Error())
	}
	return warnings
}
