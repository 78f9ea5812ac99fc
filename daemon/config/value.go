package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"

	"github.com/zarafa/presence/setting"
)

// value is what a source says of a key. It is decoded once all sources are read.
type value struct {
	Of         any    // a string, or the values of a list or a map: []any or map[string]any
	Key, Where string // as in a Fault
	File       bool   // it is the name of a file with a secret
	Both       bool   // and the secret itself is set too
}

func (v value) text() string {
	text, _ := v.Of.(string)
	return text
}

var conversions = mapstructure.ComposeDecodeHookFunc(
	mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), mapstructure.StringToBasicTypeHookFunc())

// parse makes what a field of a type holds, if that is neither list, map nor section.
func parse(text string, t reflect.Type) (made any, err error) {
	if kindOf(t) != "string" {
		text = strings.TrimSpace(text)
	}
	made, err = mapstructure.DecodeHookExec(conversions, reflect.ValueOf(text), reflect.New(t).Elem())
	if err != nil && !readsText(t) {
		err = wrongType(t, quote(text))
	}
	return made, err
}

// hook makes a value what a field holds. Lists, maps and sections mapstructure decodes further, element by element.
func (l *Loaded) hook(from, to reflect.Value) (made any, err error) {
	v, ok := from.Interface().(value)
	text, isText := v.Of.(string)
	switch {
	case !ok:
		return from.Interface(), nil
	case !isText:
		to.SetZero() // a list or a map replaces the default
		return v.Of, nil
	case v.Both:
		err = errors.New("the secret itself is set too; remove one of them")
	case v.File:
		made, err = setting.ReadSecret(text)
		if info, _ := os.Stat(text); err == nil && info != nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			l.note(v.Where, v.Key, "every user of this machine can read %s; run: chmod 600 %[1]s", text)
		}
	default:
		made, err = parse(text, to.Type())
	}
	if err != nil {
		l.unread = append(l.unread, Fault{v.Where, v.Key, err})
	}
	return made, nil
}

// expected says what a value of a kind looks like in a file.
var expected = map[string]string{
	"string":   "a text (a number or a word like true must stand in quotes)",
	"bool":     "true or false",
	"int":      "a whole number",
	"duration": "a duration such as 90s, 5m or 1h30m",
	"size":     "a size such as 16KiB, 1MiB or 1GiB",
	"list":     "a list of texts, such as [a, b]",
	"map":      "a map of texts, such as {a: b}, or a=b,c=d outside the file",
	"section":  "keys, each with its value",
}

// wrongType tells what a value of a type looks like, and what is there instead, unless that may be a secret.
func wrongType(t reflect.Type, got string) error {
	kind := kindOf(t)
	want := expected[kind]
	switch {
	case kind == "int" && t.Bits() < 64:
		want += fmt.Sprintf(" of at most %d bits", t.Bits())
	case kind != "section" && inFileOnly(t):
		want = "a " + kind + " whose elements have keys"
	}
	if isSecret(t) {
		return errors.New("expected " + want)
	}
	return unexpected(want, got)
}

func unexpected(want, got string) error { return fmt.Errorf("expected %s, got %s", want, got) }
