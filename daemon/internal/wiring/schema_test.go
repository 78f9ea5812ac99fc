package wiring

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/daemon/config"
)

const shippedSchema = "../../../configs/zarafa-presence.schema.json"

// The shipped schema is the one of the program's keys.
func TestDocumentationSchema(t *testing.T) {
	want, err := config.JSONSchema("zarafa-presence.yaml", Sections(BuiltIn())...)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(shippedSchema, want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if read(t, shippedSchema) != string(want) {
		t.Error("the schema is not up to date; run: go test ./daemon/internal/wiring -run TestDocumentation -update")
	}
}

// An editor that reads the schema finds the shipped file right, and common mistakes wrong.
func TestSchema(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, shippedSchema)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema := compiler.MustCompile("schema.json")
	shipped := read(t, example)
	if !strings.HasPrefix(shipped, "# yaml-language-server: $schema=") {
		t.Error("the first line of the shipped file names no schema for editors")
	}
	for _, test := range []struct{ old, new, fault string }{
		{"", "", ""},
		{"  update: self", "  update: any", ""},
		{"  update: self", "  update: all", "/auth/update"},
		{"  listen: 127.0.0.1:1234", "  listn: 127.0.0.1:1234", "additional properties 'listn'"},
		{"  max_streams: 8000", "  max_streams: many", "/http/max_streams"},
		{"  read_timeout: 20s", "  read_timeout: 20", "/http/read_timeout"},
		{"  max_header: 16KiB", "  max_header: 16kb", "/http/max_header"},
		{"protocols: []", "protocols: xmpp", "/protocols"},
		{"  level: info", "  level: chatty", "/log/level"},
		{"\nstore:", "\nstor:", "additional properties 'stor'"},
	} {
		text := shipped
		if test.old != "" {
			if text = strings.Replace(shipped, test.old, test.new, 1); text == shipped {
				t.Fatalf("the shipped file has no %q", test.old)
			}
		}
		var content any
		if err := yaml.Unmarshal([]byte(text), &content); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		switch err := schema.Validate(value); {
		case err == nil && test.fault != "":
			t.Errorf("with %q it is right", test.new)
		case err != nil && (test.fault == "" || !strings.Contains(err.Error(), test.fault)):
			t.Errorf("with %q it is not right: %v, want %q", test.new, err, test.fault)
		}
	}
}
