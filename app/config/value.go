package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is a type that a key can have.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindDuration
	kindList // of strings
	kindMap  // of strings to strings
)

var kinds = [...]struct{ name, expected string }{
	kindString:   {"string", "a text (a number or a word like true must stand in quotes)"},
	kindBool:     {"bool", "true or false"},
	kindInt:      {"int", "a whole number"},
	kindDuration: {"duration", "a duration such as 90s, 5m or 1h30m"},
	kindList:     {"list", "a list of texts, such as [a, b]"},
	kindMap:      {"map", "a map of texts, such as {a: b}"},
}

func (k kind) String() string { return kinds[k].name }

// expected says what a value of this kind looks like in a file.
func (k kind) expected() string { return kinds[k].expected }

func kindOf(t reflect.Type) (kind, bool) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return kindDuration, true
	case t.Kind() == reflect.String:
		return kindString, true
	case t.Kind() == reflect.Bool:
		return kindBool, true
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return kindInt, true
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return kindList, true
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && t.Elem().Kind() == reflect.String:
		return kindMap, true
	}
	return 0, false
}

// parse reads a value as it is written in the environment, as a flag, and in the original's file: a list as a,b and a map as
// k=v,k=v. The result is a string, bool, int64, time.Duration, []string or map[string]string. The error says what was
// expected, and what there was unless that is secret.
func (l *leaf) parse(text string) (any, error) {
	var value any
	var err error
	switch l.kind {
	case kindString:
		return text, nil
	case kindBool:
		value, err = strconv.ParseBool(strings.TrimSpace(text))
	case kindInt:
		value, err = l.parseInt(strings.TrimSpace(text))
	case kindDuration:
		value, err = parseDuration(strings.TrimSpace(text))
	case kindList:
		return parseList(text), nil
	case kindMap:
		value, err = parseMap(text)
	}
	if err != nil {
		return nil, l.unexpected(l.textForm(), text)
	}
	return value, nil
}

// textForm says what parse expects, where that differs from what a file holds.
func (l *leaf) textForm() string {
	if l.kind == kindMap {
		return "a map such as a=b,c=d"
	}
	return l.expected()
}

func (l *leaf) expected() string {
	if t := l.value.Type(); l.kind == kindInt && t.Bits() < 64 {
		return fmt.Sprintf("%s of at most %d bits", l.kind.expected(), t.Bits())
	}
	return l.kind.expected()
}

// unexpected is the error for a value that cannot be read.
func (l *leaf) unexpected(expected, got string) error {
	if l.secret {
		return errors.New("expected " + expected)
	}
	return fmt.Errorf("expected %s, got %s", expected, quote(got))
}

func (l *leaf) parseInt(text string) (int64, error) {
	return strconv.ParseInt(text, 0, l.value.Type().Bits())
}

func parseDuration(text string) (time.Duration, error) { return time.ParseDuration(text) }

func parseList(text string) []string {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func parseMap(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, item := range parseList(text) {
		key, value, found := strings.Cut(item, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, twice := pairs[key]; !found || key == "" || twice {
			return nil, fmt.Errorf("%q is not a pair of its own", item)
		}
		pairs[key] = value
	}
	return pairs, nil
}

// set stores what parse or a file gave.
func (l *leaf) set(value any) {
	v := reflect.ValueOf(value)
	switch l.kind {
	case kindList:
		list := reflect.MakeSlice(l.value.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			list.Index(i).SetString(v.Index(i).String())
		}
		l.value.Set(list)
	case kindMap:
		t := l.value.Type()
		pairs := reflect.MakeMapWithSize(t, v.Len())
		for key, element := range v.Seq2() {
			pairs.SetMapIndex(key.Convert(t.Key()), element.Convert(t.Elem()))
		}
		l.value.Set(pairs)
	default:
		l.value.Set(v.Convert(l.value.Type()))
	}
}

// render writes a value so that parse reads it.
func render(v reflect.Value) string {
	switch k, _ := kindOf(v.Type()); k {
	case kindDuration:
		return Duration(time.Duration(v.Int()))
	case kindList:
		return strings.Join(stringsOf(v), ",")
	case kindMap:
		pairs := pairsOf(v)
		var items []string
		for _, key := range slices.Sorted(maps.Keys(pairs)) {
			items = append(items, key+"="+pairs[key])
		}
		return strings.Join(items, ",")
	default:
		return fmt.Sprint(v.Interface())
	}
}

func stringsOf(list reflect.Value) []string {
	items := make([]string, list.Len())
	for i := range items {
		items[i] = list.Index(i).String()
	}
	return items
}

func pairsOf(m reflect.Value) map[string]string {
	pairs := make(map[string]string, m.Len())
	for key, element := range m.Seq2() {
		pairs[key.String()] = element.String()
	}
	return pairs
}

// Duration writes a duration as the configuration does: 5m instead of 5m0s.
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// quote renders outside text for a message: printable, and short even if the text is not.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
