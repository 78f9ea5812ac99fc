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

// The values that koanf hands on, besides those that YAML has.
type (
	text    string   // of the environment, a flag or a presence.cfg: it is read according to the key's type
	nothing struct{} // a key of the file without a value
	inFile  struct { // a secret's file; direct is set if the secret itself is there too
		name, direct any
	}
)

// fileError is a fault of a file that a key names. It counts only if the section is in use.
type fileError struct {
	suffix string // of the key, after that of the secret
	err    error
}

func (e fileError) Error() string { return e.err.Error() }
func (e fileError) Unwrap() error { return e.err }

// errBoth is said with the secret's key before it.
var errBoth = errors.New("is set too; remove one of them")

// decoder decodes values into structs.
type decoder struct{ read bool } // the files that keys name too

// decode decodes what is below a key, and returns a joined error of everything that is wrong.
func (d decoder) decode(ko *koanf.Koanf, key string, into any) error {
	return ko.UnmarshalWithConf(key, into, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook:           mapstructure.DecodeHookFuncValue(d.hook),
		ErrorUnused:          true,
		ZeroFields:           true, // a list or a map replaces the default
		Squash:               true,
		IgnoreUntaggedFields: true,
		MatchName:            func(key, field string) bool { return key == field },
	}})
}

// hook makes a value of the type that a field has. What it returns mapstructure decodes further, element by element.
func (d decoder) hook(from, to reflect.Value) (any, error) {
	value, t := from.Interface(), to.Type()
	switch name, _ := typeName(t); {
	case from.Type() == t || t.Kind() == reflect.Interface:
		return value, nil
	case t == secretType:
		return d.secret(value)
	case name == "section":
		pairs, ok := value.(map[string]any)
		if !ok {
			return nil, unexpected("keys, each with its value", value)
		}
		return withSecretFiles(pairs, t), nil
	case isText(t):
		return d.unmarshal(value, t)
	case name == "list" || name == "map":
		return collection(value, t)
	default:
		return scalar(value, t)
	}
}

// withSecretFiles puts the names of secrets' files where the secrets belong.
func withSecretFiles(pairs map[string]any, t reflect.Type) map[string]any {
	pairs = maps.Clone(pairs)
	for _, f := range fields(reflect.Zero(t)) {
		name, found := pairs[f.key+fileSuffix]
		if f.value.Type() != secretType || !found {
			continue
		}
		delete(pairs, f.key+fileSuffix)
		if !isEmpty(name) {
			pairs[f.key] = inFile{name, pairs[f.key]}
		}
	}
	return pairs
}

func isEmpty(value any) bool { return value == nil || value == "" || value == text("") }

func (d decoder) secret(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return setting.NewSecret(value), nil
	case text:
		return setting.NewSecret(string(value)), nil
	case inFile:
		return d.secretFile(value)
	}
	return nil, errors.New("expected " + expected(secretType))
}

func (d decoder) secretFile(file inFile) (any, error) {
	name, err := scalar(file.name, reflect.TypeFor[string]())
	switch {
	case err != nil:
		return nil, fileError{fileSuffix, err}
	case !d.read:
		return setting.Secret{}, nil
	case !isEmpty(file.direct):
		return nil, fileError{fileSuffix, errBoth}
	}
	content, err := setting.ReadFile(name.(string), maxSecretFile)
	secret := setting.NewSecret(strings.TrimRight(string(content), "\r\n"))
	if err == nil && secret.IsZero() {
		err = fmt.Errorf("%s: it is empty", name)
	}
	if err != nil {
		return nil, fileError{fileSuffix, err}
	}
	return secret, nil
}

// unmarshal lets the type read a text.
func (d decoder) unmarshal(value any, t reflect.Type) (any, error) {
	content, err := scalar(value, reflect.TypeFor[string]())
	if number, ok := value.(int); ok && t.Kind() != reflect.Struct {
		content, err = strconv.Itoa(number), nil
	}
	if err != nil {
		return nil, err
	}
	if t == reflect.TypeFor[setting.Roots]() {
		if !d.read {
			return setting.Roots{}, nil
		}
		if roots, err := setting.ReadRoots(content.(string)); err != nil {
			return nil, fileError{"", err}
		} else {
			return roots, nil
		}
	}
	made := reflect.New(t)
	err = made.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(content.(string)))
	return made.Elem().Interface(), err
}

// collection makes a list or a map. Texts are checked here, structs one by one.
func collection(value any, t reflect.Type) (any, error) {
	element, _ := typeName(t.Elem())
	texts := element == "string"
	if given, ok := value.(text); ok && t.Kind() == reflect.Slice {
		return parseList(string(given)), nil
	} else if ok {
		return parseMap(string(given), t)
	}
	var elements []any
	switch value := value.(type) {
	case []any:
		elements = value
	case map[string]any:
		for _, element := range value {
			elements = append(elements, element)
		}
	default:
		if k := reflect.ValueOf(value).Kind(); k == t.Kind() { // of texts, made before
			return value, nil
		}
		return nil, wrongType(t, value)
	}
	if reflect.ValueOf(value).Kind() != t.Kind() {
		return nil, wrongType(t, value)
	}
	for _, element := range elements {
		if _, ok := element.(string); texts && !ok {
			return nil, wrongType(t, element)
		}
	}
	return value, nil
}

func scalar(value any, t reflect.Type) (any, error) {
	given, isGiven := value.(text)
	written := strings.TrimSpace(fmt.Sprint(value))
	var made any
	var err error
	switch _, isString := value.(string); {
	case t.Kind() == reflect.String && (isString || isGiven):
		return reflect.ValueOf(value).Convert(reflect.TypeFor[string]()).Interface(), nil
	case t == durations && reflect.ValueOf(value).Kind() <= reflect.String && value != (nothing{}):
		made, err = time.ParseDuration(written)
	case t.Kind() == reflect.Bool && isGiven:
		made, err = strconv.ParseBool(written)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64 && (isGiven || reflect.ValueOf(value).CanInt()):
		made, err = strconv.ParseInt(written, 0, t.Bits())
	default:
		return nil, wrongType(t, value)
	}
	if err != nil && isGiven {
		return nil, unexpected(expected(t), string(given))
	} else if err != nil {
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
			if isSecret(t) {
				written = setting.Mask
			}
			return nil, unexpected("a map such as a=b,c=d", written)
		}
		pairs[key] = value
	}
	return pairs, nil
}

// expected says what a value of a type looks like in a file.
func expected(t reflect.Type) string {
	switch name, _ := typeName(t); {
	case name == "section":
		return "keys, each with its value"
	case composite(t):
		return "a " + name + " of sections"
	case name == "int" && t.Bits() < 64:
		return fmt.Sprintf("a whole number of at most %d bits", t.Bits())
	default:
		return map[string]string{
			"string":   "a text (a number or a word like true must stand in quotes)",
			"bool":     "true or false",
			"int":      "a whole number",
			"duration": "a duration such as 90s, 5m or 1h30m",
			"size":     "a size such as 16KiB, 1MiB or 1GiB",
			"list":     "a list of texts, such as [a, b]",
			"map":      "a map of texts, such as {a: b}",
		}[name]
	}
}

func wrongType(t reflect.Type, value any) error {
	if isSecret(t) {
		return errors.New("expected " + expected(t))
	}
	return unexpected(expected(t), value)
}

func unexpected(expected string, value any) error {
	got := ""
	switch reflect.ValueOf(value).Kind() {
	case reflect.Map:
		got = "a map"
	case reflect.Slice:
		got = "a list"
	case reflect.Struct:
		got = "nothing"
	default:
		got = quote(fmt.Sprint(value))
	}
	return fmt.Errorf("expected %s, got %s", expected, got)
}

var mapKey = regexp.MustCompile(`\[([^\]]*[^\]\d][^\]]*)\]`)

// explain makes faults of the error of decode. The keys are those below the section.
func explain(err error, unknown func(path, key string) error) (faults []keyFault) {
	var decoding *mapstructure.DecodeError
	if _, one := err.(*mapstructure.DecodeError); !one && errors.Unwrap(err) != nil { //nolint:errorlint // several, with a text around them
		err = errors.Unwrap(err)
	}
	for _, err := range split(err) {
		if !errors.As(err, &decoding) {
			faults = append(faults, keyFault{"", err})
			continue
		}
		path := mapKey.ReplaceAllString(decoding.Name(), ".$1") // clients[phone].expire is clients.phone.expire in the file
		if keys, found := strings.CutPrefix(decoding.Unwrap().Error(), "has invalid keys: "); found {
			for key := range strings.SplitSeq(keys, ", ") {
				faults = append(faults, keyFault{join(path, key), unknown(path, key)})
			}
			continue
		}
		var file fileError
		if errors.As(err, &file) {
			path += file.suffix
		}
		faults = append(faults, keyFault{path, decoding.Unwrap()})
	}
	return faults
}

// keyFault is what is wrong with a key of a section.
type keyFault struct {
	key string
	err error
}
