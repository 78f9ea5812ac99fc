package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/zarafa/presence/setting"
)

type keyConfig struct {
	Name      string         `koanf:"name"`
	Hash      string         `koanf:"hash"`
	Secret    setting.Secret `koanf:"secret"`
	Protocols []string       `koanf:"protocols"`
	Read      bool           `koanf:"read"`
}

type clientConfig struct {
	Expire   time.Duration `koanf:"expire"`
	OnExpiry string        `koanf:"on_expiry"`
}

type nestedConfig struct {
	Keys       []keyConfig             `koanf:"keys" help:"keys of programs"`
	Clients    map[string]clientConfig `koanf:"clients"`
	Names      map[string][]string     `koanf:"names"`
	Size       setting.Size            `koanf:"size"`
	Roots      setting.Roots           `koanf:"ca_file"`
	IDsFile    string                  `koanf:"ids_file"`
	IDs        []string                `koanf:"ids"`
	OldSecrets []setting.Secret        `koanf:"old_secrets"`
	Files      []keyConfig             `koanf:"files"`
	Sync       string                  `koanf:"sync" obsolete:"all is synced"`
}

func (c nestedConfig) Validate() error { return nil }

func nestedSections(c *nestedConfig) []Section {
	return []Section{{Name: "a", Config: c}, {Name: "b", Config: &rootConfig{}}}
}

func nestedDefaults() *nestedConfig {
	return &nestedConfig{Keys: []keyConfig{{Name: "default", Read: true}}, Clients: map[string]clientConfig{"fax": {}}, Size: setting.KiB}
}

const nested = `a:
  keys:
    - {name: pbx, hash: "sha256:1", protocols: [phone, door]}
    - name: crm
      secret: hushhush
      read: true
  clients: {phone: {expire: 2h, on_expiry: remove}, door.bell: {expire: 5m}}
  names: {irc: [ali, bob]}
  size: 16KiB
`

// Lists and maps of structs come from the file, and take the place of the defaults.
func TestNested(t *testing.T) {
	got, name := nestedDefaults(), write(t, "c.yaml", nested)
	loaded, err := Load(Input{File: name}, nestedSections(got)...)
	if err != nil {
		t.Fatal(err)
	}
	want := &nestedConfig{
		Keys: []keyConfig{
			{Name: "pbx", Hash: "sha256:1", Protocols: []string{"phone", "door"}},
			{Name: "crm", Secret: setting.NewSecret("hushhush"), Read: true},
		},
		Clients: map[string]clientConfig{"phone": {2 * time.Hour, "remove"}, "door.bell": {Expire: 5 * time.Minute}},
		Names:   map[string][]string{"irc": {"ali", "bob"}},
		Size:    16 * setting.KiB,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var out bytes.Buffer
	if err := loaded.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	again := nestedDefaults()
	if _, err := Load(Input{File: write(t, "again.yaml", out.String())}, nestedSections(again)...); err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, out.String())
	}
	want.Keys[1].Secret = setting.NewSecret(setting.Mask)
	again.Keys[0].Protocols, again.Keys[1].Protocols, again.OldSecrets, again.IDs, again.Files = want.Keys[0].Protocols, nil, nil, nil, nil // empty, not nil
	if !reflect.DeepEqual(again, want) {
		t.Errorf("read back: %+v\nwant %+v", again, want)
	}
}

// Every fault is told in one run, each with its line, also inside lists and maps.
func TestNestedFaults(t *testing.T) {
	content := `a:
  keys:
    - nam: pbx
      hash: 5
      protocols: phone
    - name: [x]
    - crm
    -
  clients:
    phone:
      expire: 2
      on_expire: remove
    door: now
    bell:
  names: {irc: ali}
  size: 16KB
  ca_file: [x]
  ids_file: 1
  old_secrets: [1234567]
  files: [{secret_file: [c]}]
b: {protocols: {}}
c: 1
`
	want := []string{
		"c.yaml:3: a.keys: entry 1: nam: unknown key; did you mean name?",
		"c.yaml:4: a.keys: entry 1: hash: expected a text (a number or a word like true must stand in quotes), got \"5\"",
		"c.yaml:5: a.keys: entry 1: protocols: expected a list, such as [a, b], got \"phone\"",
		"c.yaml:6: a.keys: entry 2: name: expected a text (a number or a word like true must stand in quotes), got a list",
		"c.yaml:7: a.keys: entry 3: expected keys, each with its value, got \"crm\"",
		"c.yaml:8: a.keys: entry 4: expected keys, each with its value, got nothing",
		"c.yaml:11: a.clients.phone.expire: expected a duration such as 90s, 5m or 1h30m, got \"2\"",
		"c.yaml:12: a.clients.phone.on_expire: unknown key; did you mean a.clients.phone.on_expiry?",
		"c.yaml:13: a.clients.door: expected keys, each with its value, got \"now\"",
		"c.yaml:14: a.clients.bell: expected keys, each with its value, got nothing",
		"c.yaml:15: a.names.irc: expected a list, such as [a, b], got \"ali\"",
		"c.yaml:16: a.size: expected a size such as 16KiB, 1MiB or 1GiB, got \"16KB\"",
		"c.yaml:17: a.ca_file: expected a text (a number or a word like true must stand in quotes), got a list",
		"c.yaml:18: a.ids_file: expected a text (a number or a word like true must stand in quotes), got \"1\"",
		"c.yaml:19: a.old_secrets: entry 1: expected a text (a number or a word like true must stand in quotes)",
		"c.yaml:20: a.files: entry 1: secret_file: expected a text (a number or a word like true must stand in quotes), got a list",
		"c.yaml:21: b.protocols: expected a list, such as [a, b], got a map",
		"c.yaml:22: c: unknown key; known here: a, b",
	}
	name := write(t, "c.yaml", content)
	got := nestedDefaults()
	_, err := Load(Input{File: name, Environ: []string{"PRESENCE_A__KEYS=x"}}, nestedSections(got)...)
	if err == nil {
		t.Fatal("accepted")
	}
	want = append(want,
		"environment variable PRESENCE_A__KEYS: there is no such key")
	lines := strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(name)+"/", ""), "\n")
	for _, line := range want {
		if !strings.Contains("\n"+strings.Join(lines, "\n"), "\n"+line) {
			t.Errorf("lacks %s", line)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d faults, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	if got.Size != nestedDefaults().Size || got.Roots != nestedDefaults().Roots || got.IDsFile != "" {
		t.Errorf("a key at fault has not its default: %+v", got)
	}
}

// A secret below a list can stand in a file too, which is looked at when the section is in use.
func TestNestedSecretFile(t *testing.T) {
	file := write(t, "secret", "of a file\n")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	content := "a:\n  keys:\n    - secret_file: " + file + "\n    - secret_file: /nowhere\n    - {secret: a, secret_file: b}\n"
	got, name := nestedDefaults(), write(t, "c.yaml", content)
	loaded, err := Load(Input{File: name}, nestedSections(got)...)
	if err != nil {
		t.Fatal(err)
	}
	if got.Keys[0].Secret.Reveal() != "of a file" || !got.Keys[2].Secret.IsZero() {
		t.Errorf("secrets %q and %q", got.Keys[0].Secret.Reveal(), got.Keys[2].Secret.Reveal())
	}
	want := "c.yaml:4: a.keys: entry 2: secret_file: open /nowhere: no such file or directory\n" +
		"c.yaml:5: a.keys: entry 3: secret_file: both the secret and its file are set; remove one of them"
	if err := loaded.Validate(everything); err == nil || strings.ReplaceAll(err.Error(), filepath.Dir(name)+"/", "") != want {
		t.Errorf("Validate: %v\nwant %s", err, want)
	}
	warnings := strings.Join(loaded.Warnings(everything), "\n")
	if want := "c.yaml:3: a.keys: entry 1: secret_file: every user of this machine can read " + file; !strings.Contains(warnings, want) {
		t.Errorf("warnings %q lack %s", warnings, want)
	}
}

// The certificates to trust are read with the configuration. That they cannot be read counts when the section is in use.
func TestRoots(t *testing.T) {
	ids := write(t, "ids", "world-readable, and no secret")
	if err := os.Chmod(ids, 0o644); err != nil {
		t.Fatal(err)
	}
	got := nestedDefaults()
	loaded, err := Load(Input{File: write(t, "c.yaml", "a: {ca_file: /nowhere, ids_file: "+ids+"}\n")}, nestedSections(got)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(everything); err == nil || !strings.HasSuffix(err.Error(), "c.yaml:1: a.ca_file: open /nowhere: no such file or directory") {
		t.Errorf("Validate: %v", err)
	}
	if err := loaded.Validate(func(section string) bool { return section != "a" }); err != nil {
		t.Errorf("of a section that is off: %v", err)
	}
	if warnings := loaded.Warnings(everything); len(warnings) != 0 {
		t.Errorf("warnings %q", warnings)
	}
	const environ = "PRESENCE_A__CA_FILE=" // an empty name takes the place of one that cannot be read
	loaded, err = Load(Input{File: write(t, "c.yaml", "a: {ca_file: /nowhere}\n"), Environ: []string{environ}}, nestedSections(got)...)
	if err != nil || loaded.Validate(everything) != nil || got.Roots.Pool != nil {
		t.Errorf("%v, %v, %v", err, loaded.Validate(everything), got.Roots)
	}
}

// A key that means nothing any more is named, wherever it is set, and changes nothing.
func TestObsolete(t *testing.T) {
	got := nestedDefaults()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	if err := AddFlags(flags, nestedSections(got)...); err != nil {
		t.Fatal(err)
	}
	if err := flags.Parse([]string{"--a.sync=always"}); err != nil {
		t.Fatal(err)
	}
	name := write(t, "c.yaml", "\na: {sync: [always], size: 1}\n")
	loaded, err := Load(Input{File: name, Environ: []string{"PRESENCE_A__SYNC=x"}, Flags: flags}, nestedSections(got)...)
	if err != nil {
		t.Fatal(err)
	}
	const because = "a.sync: ignored, it means nothing any more: all is synced"
	want := []string{name + ":2: " + because, "environment variable PRESENCE_A__SYNC: " + because, "--" + because}
	if warnings := loaded.Warnings(everything); !reflect.DeepEqual(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
	if got.Size != 1 {
		t.Errorf("size %v", got.Size)
	}
	keys, err := Keys(nestedSections(got)...)
	for _, key := range keys {
		if err != nil || key.Name == "a.sync" {
			t.Errorf("%v, and the keys list a.sync", err)
		}
		if inFile := key.Name == "a.keys" || key.Name == "a.files" || key.Name == "a.clients" || key.Name == "a.names"; inFile != (key.Env == "" && key.Flag == "") {
			t.Errorf("%+v", key)
		}
	}
}
