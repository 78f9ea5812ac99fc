package config

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// compiled compiles the schema of some sections.
func compiled(t *testing.T, sections ...Section) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema("the test", sections...)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema.json")
}

// validate reports what is wrong with a YAML document by a schema.
func validate(t *testing.T, schema *jsonschema.Schema, document string) error {
	t.Helper()
	var content any
	if err := yaml.Unmarshal([]byte(document), &content); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// An editor with the schema and the daemon agree on which files are right.
func TestJSONSchema(t *testing.T) {
	schema := compiled(t, nestedSections(nestedDefaults())...)
	for _, test := range []struct {
		document string
		right    bool
	}{
		{nested, true},
		{"a: {}\nb: {}\n", true},
		{"a:\n", true},
		{"a: {size: 1024}", true},
		{"a: {size: 1 MiB}", true},
		{"a: {size: 0}", true},
		{"a: {size: -1}", false},
		{"a: {size: 1.5}", false},
		{"a: {size: 1MB}", false},
		{"a: {size: large}", false},
		{"a: {clients: {fax: {expire: 0}}}", true},
		{"a: {clients: {fax: {expire: 1h30m}}}", true},
		{"a: {clients: {fax: {expire: 1.5h}}}", true},
		{"a: {clients: {fax: {expire: 90}}}", false},
		{"a: {clients: {fax: {expire: soon}}}", false},
		{"a: {clients: {fax: {expire: }}}", false},
		{"a: {clients: {fax: {expires: 1h}}}", false},
		{"a: {clients: [fax]}", false},
		{"a: {keys: [{name: pbx, read: true}]}", true},
		{"a: {keys: [{name: pbx, read: maybe}]}", false},
		{"a: {keys: [{name: 1}]}", false},
		{"a: {keys: {name: pbx}}", false},
		{"a: {names: {irc: ali}}", false},
		{"a: {ids: [x, y]}", true},
		{"a: {ids: x}", false},
		{"a: {ids: [1]}", false},
		{"a: {sync: always}", true}, // obsolete
		{"a: {syn: always}", false},
		{"b: {protocols: []}", true},
		{"c: {}", false},
		{"a: 1", false},
	} {
		_, err := Load(Input{File: write(t, "c.yaml", test.document)}, nestedSections(nestedDefaults())...)
		if (err == nil) != test.right {
			t.Errorf("%q: the daemon says %v", test.document, err)
		}
		if err := validate(t, schema, test.document); (err == nil) != test.right {
			t.Errorf("%q: the schema says %v", test.document, err)
		}
	}
}

// What a list can have is said of its elements.
func TestJSONSchemaOfAListWithChoice(t *testing.T) {
	config := struct {
		Kinds []string `koanf:"kinds" help:"x" choice:"a,b"`
	}{[]string{"a"}}
	schema := compiled(t, Section{Name: "s", Config: &config})
	for document, right := range map[string]bool{"s: {kinds: [a, b]}": true, "s: {kinds: []}": true, "s: {kinds: [c]}": false, "s: {kinds: a}": false} {
		if err := validate(t, schema, document); (err == nil) != right {
			t.Errorf("%s: %v", document, err)
		}
	}
}
