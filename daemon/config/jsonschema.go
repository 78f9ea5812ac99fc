package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/zarafa/presence/setting"
)

// JSONSchema describes the YAML file of some sections to editors, as a JSON Schema (draft 7, which the YAML language server knows best). It
// accepts every file that Load accepts. What the values mean only Validate knows.
func JSONSchema(title string, sections ...Section) ([]byte, error) {
	s, err := newSchema(sections)
	if err != nil {
		return nil, err
	}
	root := object(keysOf("", s.root))
	root["$schema"], root["title"] = "http://json-schema.org/draft-07/schema#", title
	for _, property := range root["properties"].(jsonObject) {
		if section := property.(jsonObject); section["type"] == "object" && section["properties"] != nil {
			section["type"] = []string{"object", "null"} // every key of it may be commented out
		}
	}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

type jsonObject = map[string]any

// object describes what has keys of its own.
func object(keys []Key) jsonObject {
	properties := jsonObject{}
	for _, key := range keys {
		properties[key.Name[strings.LastIndexByte(key.Name, '.')+1:]] = describeKey(key)
	}
	return jsonObject{"type": "object", "properties": properties, "additionalProperties": false}
}

// describeKey describes the value of a key, with what it does and its default.
func describeKey(key Key) jsonObject {
	if key.obsolete != "" {
		return jsonObject{"description": "means nothing any more: " + key.obsolete, "deprecated": true}
	}
	if key.Type == "section" {
		return object(keysOf(key.Name, key.value))
	}
	described := describeType(key.value.Type())
	if key.Help != "" {
		described["description"] = key.Help
	}
	if key.Secret {
		return described
	}
	var fallback any
	if err := node(key.value).Decode(&fallback); err == nil {
		described["default"] = fallback
	}
	if key.Choice != "" {
		choice := strings.Split(key.Choice, ",")
		if text, isText := fallback.(string); isText && !slices.Contains(choice, text) {
			choice = append(choice, text) // usually an empty one, which means one of the others
		}
		if items, isList := described["items"].(jsonObject); isList {
			items["enum"] = choice
		} else {
			described["enum"] = choice
		}
	}
	return described
}

// What the texts of durations and sizes look like. The library's parsers decide.
const (
	durationPattern = `^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$`
	sizePattern     = `^\s*\d+\s*(B|KiB|MiB|GiB)?\s*$`
)

// describeType describes the values that a field can have.
func describeType(t reflect.Type) jsonObject {
	switch kindOf(t) {
	case "section":
		return object(keysOf("", reflect.Zero(t)))
	case "list":
		return jsonObject{"type": "array", "items": describeType(t.Elem())}
	case "map":
		return jsonObject{"type": "object", "additionalProperties": describeType(t.Elem())}
	case "bool":
		return jsonObject{"type": "boolean"}
	case "int":
		return jsonObject{"type": "integer"}
	case "duration":
		return jsonObject{"type": []string{"string", "integer"}, "pattern": durationPattern, "minimum": 0, "maximum": 0} // only 0 needs no unit
	case "size":
		return jsonObject{"type": []string{"string", "integer"}, "pattern": sizePattern, "minimum": 0}
	}
	if t == reflect.TypeFor[setting.Secret]() {
		return jsonObject{"type": "string", "writeOnly": true}
	}
	return jsonObject{"type": "string"}
}
