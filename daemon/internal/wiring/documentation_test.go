package wiring

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/daemon/config"
)

var update = flag.Bool("update", false, "write the table of keys into docs/configuration.md")

const (
	keysPage = "../../../docs/configuration.md"
	example  = "../../../configs/zarafa-presence.yaml"
	unit     = "../../../configs/zarafa-presence.service"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func keysOf(protocols []Protocol) ([]config.Key, error) { return config.Keys(Sections(protocols)...) }

func keys(t *testing.T) []config.Key {
	t.Helper()
	keys, err := keysOf(BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// ofSource returns which source's section a key is in, if it is in one.
func ofSource(t *testing.T, key config.Key) (source, name string, yes bool) {
	t.Helper()
	section, name, _ := strings.Cut(key.Name, ".")
	return section, name, slices.Contains(newSettings(BuiltIn()).General.sources, section)
}

// table is what the manual has to say of the keys.
func table(keys []config.Key) string {
	var b strings.Builder
	b.WriteString("| key | type | default | environment | flag | a change needs | what it is |\n|---|---|---|---|---|---|---|\n")
	code := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return "`" + text + "`"
	}
	for _, key := range keys {
		fallback := "empty"
		if key.Secret {
			fallback = "none"
		}
		flag := "none: file only"
		if key.Secret {
			flag = "none: secret"
		}
		needs := "reload"
		if key.Restart {
			needs = "restart"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", key.Name, key.Type, code(key.Default, fallback), code(key.Env, "none: file only"), code(key.Flag, flag), needs, key.Help)
	}
	return b.String()
}

// Every source has a page, docs/<name>.md, that explains all of its keys.
func TestSourcesHavePages(t *testing.T) {
	for _, key := range keys(t) {
		source, name, yes := ofSource(t, key)
		if page := filepath.Join(filepath.Dir(keysPage), source+".md"); yes && !strings.Contains(read(t, page), "`"+name+"`") {
			t.Errorf("%s says nothing of `%s`", page, name)
		}
	}
}

// The manual's table of keys is that of the program, but for the sections of sources, which are on their own pages.
func TestDocumentation(t *testing.T) {
	text := read(t, keysPage)
	before, rest, found := strings.Cut(text, " -->\n| key")
	if !found {
		before, rest, found = strings.Cut(text, "writes this table -->\n")
		before += "writes this table"
	}
	at := strings.Index(rest, "<!-- keys: end -->")
	if !found || at < 0 {
		t.Fatal("the manual has lost the marks around its table")
	}
	general := slices.DeleteFunc(keys(t), func(key config.Key) bool { _, _, yes := ofSource(t, key); return yes })
	want := before + " -->\n" + table(general) + rest[at:]
	if *update {
		if err := os.WriteFile(keysPage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if text != want {
		t.Error("the table of keys is not up to date; run: go test ./daemon/internal/wiring -run TestDocumentation -update")
	}
}

// The manual, the example and the unit speak of no key, variable or flag that does not exist, and the manual of every
// protocol and every obsolete key.
func TestNamesExist(t *testing.T) {
	known := map[string]bool{"PRESENCE_": true, "PRESENCE_CONFIG": true, "PRESENCE_TOKEN": true, "PRESENCE_URL": true,
		"PRESENCE_SERVICE_HOST": true, "PRESENCE_WEB_PORT_1234_TCP": true}
	sections := map[string]bool{}
	for _, key := range keys(t) {
		known[key.Env], known[key.Name], known[key.Flag] = true, true, true
		if section, _, found := strings.Cut(key.Name, "."); found {
			sections[section] = true
		}
	}
	hosts := regexp.MustCompile(`[\w.-]+\.example\.test`)
	names := regexp.MustCompile(`PRESENCE_\w*|(?:--)?\b[a-z]+\.[a-z_]+\b`)
	for _, file := range []string{keysPage, example, unit} {
		for _, name := range names.FindAllString(hosts.ReplaceAllString(read(t, file), ""), -1) {
			section, rest, dotted := strings.Cut(strings.TrimPrefix(name, "--"), ".")
			if dotted && (!sections[section] || rest == "listn" || rest == "md" || rest == "sock") { // a host or file name, and the manual's example of a fault
				continue
			}
			if !known[name] {
				t.Errorf("%s speaks of %s, which does not exist", file, name)
			}
		}
	}
}

// The example has every key, each with a comment and its default, but for the files of the secrets.
func TestExample(t *testing.T) {
	got, want := newSettings(BuiltIn()), newSettings(BuiltIn())
	loaded, err := config.Load(config.Input{File: example}, got.sections()...)
	if err != nil {
		t.Fatal(err)
	}
	var left, right strings.Builder
	got.Loaded = loaded
	secrets := []string{"PRESENCE_AUTH__SECRET_FILE=/etc/zarafa-presence/secret", "PRESENCE_XMPP__PASSWORD_FILE=/etc/zarafa-presence/xmpp-password"}
	want.Loaded, err = config.Load(config.Input{Environ: secrets}, want.sections()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.WriteYAML(&left); err != nil {
		t.Fatal(err)
	}
	if err := want.WriteYAML(&right); err != nil {
		t.Fatal(err)
	}
	if left.String() != right.String() {
		t.Errorf("the example sets\n%s\nthe defaults are\n%s", left.String(), right.String())
	}
	commented := commentedKeys(read(t, example))
	for _, key := range keys(t) {
		with, there := commented[key.Name]
		if !there {
			t.Errorf("the example lacks %s", key.Name)
		} else if !with {
			t.Errorf("the example has no comment above %s", key.Name)
		}
	}
}

// The unit runs the daemon as the user that sysusers makes, and sets no key of the configuration: the commands would not see it.
func TestUnit(t *testing.T) {
	text := read(t, unit)
	for _, line := range []string{"User=zarafa-presence", "Group=zarafa-presence", "StateDirectory=zarafa-presence"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
	if !strings.Contains(text, "\nExecReload=/usr/bin/zarafa-presence check --quiet --config /etc/zarafa-presence/zarafa-presence.yaml\nExecReload=/bin/kill -HUP $MAINPID\n") {
		t.Error("the unit does not check the configuration before it has the daemon reload")
	}
	for _, name := range []string{"PRESENCE_", "LoadCredential", "EnvironmentFile", "DynamicUser"} {
		if strings.Contains(text, name) {
			t.Errorf("the unit has %s", name)
		}
	}
	if sysusers := read(t, strings.TrimSuffix(unit, "service")+"sysusers"); !strings.Contains(sysusers, "\nu zarafa-presence - ") {
		t.Errorf("sysusers makes no such user:\n%s", sysusers)
	}
}

// The socket is what http.listen is by default, and the unit's own: systemd pairs them by their names.
func TestSocketUnit(t *testing.T) {
	text := read(t, strings.TrimSuffix(unit, "service")+"socket")
	for _, line := range []string{"ListenStream=" + newSettings(BuiltIn()).HTTP.Listen, "FileDescriptorName=http", "WantedBy=sockets.target"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the socket's unit lacks %s", line)
		}
	}
}

// commentedKeys maps each key of a YAML file of two levels to whether a comment stands above it.
func commentedKeys(text string) map[string]bool {
	found := map[string]bool{}
	section, comment := "", false
	key := regexp.MustCompile(`^( *)([a-z_]+):(.*)$`)
	for line := range strings.Lines(text) {
		m := key.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case m == nil:
			comment = strings.HasPrefix(strings.TrimSpace(line), "#")
			continue
		case m[1] == "" && m[3] == "":
			section = m[2] + "."
		case m[1] == "":
			found[m[2]] = comment
		default:
			found[section+m[2]] = comment
		}
		comment = false
	}
	return found
}
