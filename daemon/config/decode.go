package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"

	"github.com/zarafa/presence/setting"
)

const fileSuffix = "_file" // beside a secret x, x_file names a file that holds it

// maxSecretFile is the largest file of a secret that is read, in bytes.
const maxSecretFile = 4096

// text is a value of the environment, a flag or a presence.cfg: it is read according to the key's type.
type text string

// inFile is the name of a secret's file. beside is set if the secret itself is there too.
type inFile struct{ name, beside any }

// errFile is what makes a fault one of a file that a key names. It counts only if the section is in use.
type errFile struct {
	error
	suffix string // of the key, after that of the secret
}

// decode decodes values into a struct of the type s.root. It tells every fault, by its path.
func (s *schema) decode(ko *koanf.Koanf, into any, tell func(path string, err error)) {
	err := ko.UnmarshalWithConf("", into, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook:           mapstructure.DecodeHookFuncValue(hook),
		ErrorUnused:          true,
		ZeroFields:           true, // a list or a map replaces the default
		Squash:               true,
		IgnoreUntaggedFields: true,
		MatchName:            func(key, field string) bool { return key == field },
	}})
	if several := errors.Unwrap(err); several != nil && reflect.TypeOf(err) != reflect.TypeFor[*mapstructure.DecodeError]() {
		err = several // without the words around them
	}
	for _, err := range split(err) {
		var decoding *mapstructure.DecodeError
		if !errors.As(err, &decoding) {
			tell("", err)
			continue
		}
		path := mapKey.ReplaceAllString(decoding.Name(), ".$1") // clients[phone].expire is clients.phone.expire in the file
		if keys, found := strings.CutPrefix(decoding.Unwrap().Error(), "has invalid keys: "); found {
			for key := range strings.SplitSeq(keys, ", ") {
				tell(join(path, key), s.unknown(path, key))
			}
			continue
		}
		tell(path, decoding.Unwrap())
	}
}

var mapKey = regexp.MustCompile(`\[([^\]]*[^\]\d][^\]]*)\]`)

// hook makes a value of the type that a field has. What it returns mapstructure decodes further, element by element.
func hook(from, to reflect.Value) (any, error) {
	value, t := from.Interface(), to.Type()
	given, isGiven := value.(text)
	switch kind := kindOf(t); {
	case from.Type() == t:
		return value, nil
	case t == secretType:
		return secret(value)
	case kind == "section":
		if pairs, ok := value.(map[string]any); ok {
			return withSecretFiles(pairs, t), nil
		}
		return nil, wrongType(t, value)
	case readsText(t):
		return unmarshal(value, t)
	case kind == "list" && isGiven:
		return parseList(string(given)), nil
	case kind == "map" && isGiven:
		return parseMap(string(given), t)
	case kind == "list" || kind == "map":
		return value, checkElements(from, t)
	default:
		return scalar(value, t)
	}
}

// withSecretFiles puts the names of secrets' files where the secrets belong.
func withSecretFiles(pairs map[string]any, t reflect.Type) map[string]any {
	pairs = maps.Clone(pairs)
	for _, f := range fields(reflect.Zero(t)) {
		if name, found := pairs[f.key+fileSuffix]; found && f.value.Type() == secretType {
			delete(pairs, f.key+fileSuffix)
			if !isEmpty(name) {
				pairs[f.key] = inFile{name, pairs[f.key]}
			}
		}
	}
	return pairs
}

func isEmpty(value any) bool { return value == nil || value == "" || value == text("") }

func secret(value any) (any, error) {
	file, isFile := value.(inFile)
	if !isFile {
		content, err := scalar(value, reflect.TypeFor[string]())
		if err != nil {
			return nil, wrongType(secretType, value)
		}
		return setting.NewSecret(content.(string)), nil
	}
	found, err := file.read()
	if err != nil {
		return nil, errFile{err, fileSuffix}
	}
	return found, nil
}

func (f inFile) read() (found setting.Secret, err error) {
	name, err := scalar(f.name, reflect.TypeFor[string]())
	if err != nil {
		return found, err
	}
	if !isEmpty(f.beside) {
		return found, errors.New("the secret itself is set too; remove one of them")
	}
	content, err := setting.ReadFile(name.(string), maxSecretFile)
	found = setting.NewSecret(strings.TrimRight(string(content), "\r\n"))
	if err == nil && found.IsZero() {
		err = fmt.Errorf("%s: it is empty", name)
	}
	return found, err
}

// unmarshal lets the type read a text. A size may be a number too.
func unmarshal(value any, t reflect.Type) (any, error) {
	if number, ok := value.(int); ok && kindOf(t) == "size" {
		value = strconv.Itoa(number)
	}
	content, err := scalar(value, reflect.TypeFor[string]())
	if err != nil {
		return nil, wrongType(t, value)
	}
	made := reflect.New(t)
	err = made.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(content.(string)))
	if err != nil && t == reflect.TypeFor[setting.Roots]() {
		err = errFile{err, ""}
	}
	return made.Elem().Interface(), err
}

// checkElements refuses what is no list or map, or one with an element that is no text where texts are expected.
func checkElements(v reflect.Value, t reflect.Type) error {
	if v.Kind() != t.Kind() {
		return wrongType(t, v.Interface())
	}
	for _, element := range v.Seq2() {
		if _, ok := element.Interface().(string); !ok && kindOf(t.Elem()) == "string" {
			return wrongType(t, element.Interface())
		}
	}
	return nil
}

func scalar(value any, t reflect.Type) (made any, err error) {
	v := reflect.ValueOf(value)
	_, isGiven := value.(text)
	written := strings.TrimSpace(fmt.Sprint(value))
	switch kind := kindOf(t); {
	case kind == "string" && v.Kind() == reflect.String:
		return v.String(), nil
	case kind == "duration" && v.Kind() <= reflect.String && v.Kind() != reflect.Map:
		made, err = time.ParseDuration(written)
	case kind == "bool" && isGiven:
		made, err = strconv.ParseBool(written)
	case kind == "int" && (isGiven || v.CanInt()):
		made, err = strconv.ParseInt(written, 0, t.Bits())
	default:
		err = errors.New("another type")
	}
	if err != nil {
		return nil, wrongType(t, value)
	}
	return made, nil
}

func parseList(written string) []string {
	items := []string{}
	for item := range strings.SplitSeq(written, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func parseMap(written string, t reflect.Type) (map[string]string, error) {
	pairs := map[string]string{}
	for _, item := range parseList(written) {
		key, value, found := strings.Cut(item, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, twice := pairs[key]; !found || key == "" || twice {
			return nil, unexpected("a map such as a=b,c=d", written, isSecret(t))
		}
		pairs[key] = value
	}
	return pairs, nil
}

// expected says what a value of a kind looks like in a file.
var expected = map[string]string{
	"string":   "a text (a number or a word like true must stand in quotes)",
	"bool":     "true or false",
	"int":      "a whole number",
	"duration": "a duration such as 90s, 5m or 1h30m",
	"size":     "a size such as 16KiB, 1MiB or 1GiB",
	"list":     "a list of texts, such as [a, b]",
	"map":      "a map of texts, such as {a: b}",
	"section":  "keys, each with its value",
}

func wrongType(t reflect.Type, value any) error {
	kind := kindOf(t)
	want := expected[kind]
	switch {
	case kind == "int" && t.Bits() < 64:
		want += fmt.Sprintf(" of at most %d bits", t.Bits())
	case kind != "section" && inFileOnly(t):
		want = "a " + kind + " whose elements have keys"
	}
	return unexpected(want, value, isSecret(t))
}

func unexpected(expected string, value any, secret bool) error {
	got := ", got " + quote(fmt.Sprint(value))
	switch v := reflect.ValueOf(value); {
	case secret:
		got = ""
	case v.Kind() == reflect.Map:
		got = ", got a map"
	case v.Kind() == reflect.Slice:
		got = ", got a list"
	}
	return errors.New("expected " + expected + got)
}
