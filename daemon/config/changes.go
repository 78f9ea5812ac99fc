package config

import (
	"reflect"
)

// Changed lists the keys that have another value than they had when an earlier configuration of the same sections was loaded. A secret is another
// one if its text is, whatever file it comes from.
func (l *Loaded) Changed(before *Loaded) (changed []Key) {
	for i, key := range l.keys {
		if _, file := key.value.Interface().(fileName); !file && !equal(key.value, before.keys[i].value) {
			changed = append(changed, key)
		}
	}
	return changed
}

// Keep gives the keys that only a start can change the values that they had before, and returns those that would have been changed.
func (l *Loaded) Keep(before *Loaded) (kept []Key) {
	for _, key := range l.Changed(before) {
		if key.Restart {
			key.value.Set(before.key[key.Name].value)
			kept = append(kept, key)
		}
	}
	return kept
}

// equal compares two values of a type that can be configured. A type that knows better has a method Equal.
func equal(a, b reflect.Value) bool {
	if method := a.MethodByName("Equal"); method.IsValid() && method.Type().NumIn() == 1 && method.Type().In(0) == a.Type() {
		return method.Call([]reflect.Value{b})[0].Bool()
	}
	switch kindOf(a.Type()) {
	case "section":
		for f, field := range a.Fields() {
			if f.IsExported() && !equal(field, b.FieldByIndex(f.Index)) {
				return false
			}
		}
		return true
	case "list":
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case "map":
		if a.Len() != b.Len() {
			return false
		}
		for key, value := range a.Seq2() {
			if other := b.MapIndex(key); !other.IsValid() || !equal(value, other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
