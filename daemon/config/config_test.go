package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rootConfig struct {
	Protocols []string `koanf:"protocols" help:"what is on"`
}

type httpConfig struct {
	Listen string `koanf:"listen" help:"address"`
	Limit  int32  `koanf:"limit" help:"a number"`
	Other  string // no key
}

func (c httpConfig) Validate() error {
	var faults []error
	if !strings.Contains(c.Listen, ":") {
		faults = append(faults, fmt.Errorf("http.listen: no port in %q", c.Listen))
	}
	if c.Limit < 0 {
		faults = append(faults, errors.New("http.limit: must not be negative"))
	}
	return errors.Join(faults...)
}

type authConfig struct {
	Secret     setting.Secret   `koanf:"secret" help:"the secret"`
	OldSecrets []setting.Secret `koanf:"old_secrets" help:"former ones"`
	Expire     time.Duration    `koanf:"token_expire" help:"how long"`
	Update     string           `koanf:"update" help:"who"`
}

func (c authConfig) Validate() error {
	if !c.Secret.IsZero() && len(c.Secret.Reveal()) < 16 {
		return errors.New("auth.secret: the secret is short")
	}
	return nil
}

func (c authConfig) Warnings() []string {
	if c.Update == "any" {
		return []string{"auth.update: any lets every user change every other"}
	}
	return nil
}

type xmppConfig struct {
	JID         string            `koanf:"jid" help:"account"`
	Password    setting.Secret    `koanf:"password" help:"its password"`
	StripDomain bool              `koanf:"strip_domain" help:"strip"`
	DomainMap   map[string]string `koanf:"domain_map" help:"map"`
}

type spreedConfig struct {
	Enabled bool          `koanf:"enabled" help:"on"`
	Auto    time.Duration `koanf:"auto_unavailable" help:"silence"`
}

type logConfig struct {
	Level string `koanf:"level" help:"level"`
	File  string `koanf:"file" help:"file"`
}

// all is a configuration as the daemon's own, with defaults.
type all struct {
	Root   rootConfig
	HTTP   httpConfig
	Auth   authConfig
	XMPP   xmppConfig
	Spreed spreedConfig
	Store  storeConfig
	Log    logConfig
}

// storeConfig has a part of its keys from an embedded struct.
type storeConfig struct {
	Kind string `koanf:"kind"`
	diskConfig
}

type diskConfig struct {
	Dir string `koanf:"dir"`
}

func defaults() *all {
	return &all{
		Root:   rootConfig{Protocols: []string{"spreed"}},
		HTTP:   httpConfig{Listen: "127.0.0.1:1234", Limit: 10},
		Auth:   authConfig{Expire: 5 * time.Minute, Update: "self"},
		XMPP:   xmppConfig{DomainMap: map[string]string{"old.test": "new.test"}},
		Spreed: spreedConfig{Enabled: true, Auto: 2 * time.Minute},
		Log:    logConfig{Level: "info"},
	}
}

func (a *all) sections() []Section {
	return []Section{
		{Config: &a.Root}, {Name: "http", Config: &a.HTTP}, {Name: "auth", Config: &a.Auth}, {Name: "xmpp", Config: &a.XMPP},
		{Name: "spreed", Config: &a.Spreed}, {Name: "store", Config: &a.Store}, {Name: "log", Config: &a.Log},
	}
}

// write puts a configuration file into a fresh folder.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a file, an environment and flags; the result's messages have the folder's name taken out.
func load(t *testing.T, name, content string, environ, args []string) (*all, *Loaded, error) {
	t.Helper()
	a := defaults()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	if err := AddFlags(flags, defaults().sections()...); err != nil {
		t.Fatal(err)
	}
	flags.String("config", "", "not a key")
	if err := flags.Parse(args); err != nil {
		return a, nil, err
	}
	in := Input{Environ: environ, Flags: flags, ReservedEnv: []string{"PRESENCE_TOKEN"}}
	if name != "" {
		in.File = write(t, name, content)
	}
	loaded, err := Load(in, a.sections()...)
	if err != nil && in.File != "" {
		err = errors.New(strings.ReplaceAll(err.Error(), filepath.Dir(in.File)+"/", ""))
	}
	return a, loaded, err
}

func TestPrecedence(t *testing.T) {
	file := "http: {listen: \"file:1\", limit: 1}\nprotocols: [xmpp]\nspreed: {auto_unavailable: 1m}\nxmpp: {domain_map: {a.b: c.d}}\n"
	env := []string{"PRESENCE_HTTP__LISTEN=env:2", "PRESENCE_SPREED__AUTO_UNAVAILABLE=2s", "HOME=/", "PRESENCE_TOKEN=x"}
	args := []string{"--http.listen=flag:3", "--config=x"}
	tests := []struct {
		name                    string
		file                    string
		env, args               []string
		listen                  string
		limit                   int32
		auto                    time.Duration
		protocols               []string
		domains                 map[string]string
		originListen, originMap string
	}{
		{"defaults", "", nil, nil, "127.0.0.1:1234", 10, 2 * time.Minute, []string{"spreed"}, map[string]string{"old.test": "new.test"}, "", ""},
		{"file", file, nil, nil, "file:1", 1, time.Minute, []string{"xmpp"}, map[string]string{"a.b": "c.d"}, "c.yaml:1", "c.yaml:4"},
		{"environment over file", file, env, nil, "env:2", 1, 2 * time.Second, []string{"xmpp"}, map[string]string{"a.b": "c.d"}, "environment variable PRESENCE_HTTP__LISTEN", "c.yaml:4"},
		{"flag over all", file, env, args, "flag:3", 1, 2 * time.Second, []string{"xmpp"}, map[string]string{"a.b": "c.d"}, "--http.listen", "c.yaml:4"},
		{"a list and a map replace", file, []string{"PRESENCE_PROTOCOLS=spreed, irc", "PRESENCE_XMPP__DOMAIN_MAP=e.f=g.h, i=j"}, nil, "file:1", 1, time.Minute, []string{"spreed", "irc"}, map[string]string{"e.f": "g.h", "i": "j"}, "c.yaml:1", "environment variable PRESENCE_XMPP__DOMAIN_MAP"},
		{"empty list and map", file, nil, []string{"--protocols=", "--xmpp.domain_map="}, "file:1", 1, time.Minute, []string{}, map[string]string{}, "c.yaml:1", "--xmpp.domain_map"},
		{"an empty file", "# nothing\n", nil, nil, "127.0.0.1:1234", 10, 2 * time.Minute, []string{"spreed"}, map[string]string{"old.test": "new.test"}, "", ""},
		{"a section without keys", "http:\n#  listen: x\nspreed: {}\n", nil, nil, "127.0.0.1:1234", 10, 2 * time.Minute, []string{"spreed"}, map[string]string{"old.test": "new.test"}, "", ""},
		{"an alias", "http: {listen: &l \"a:1\"}\nxmpp: {jid: *l}\n", nil, nil, "a:1", 10, 2 * time.Minute, []string{"spreed"}, map[string]string{"old.test": "new.test"}, "c.yaml:1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := ""
			if test.file != "" {
				name = "c.yaml"
			}
			a, loaded, err := load(t, name, test.file, test.env, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if a.HTTP.Listen != test.listen || a.HTTP.Limit != test.limit || a.Spreed.Auto != test.auto {
				t.Errorf("listen %q, limit %d, auto %v; want %q, %d, %v", a.HTTP.Listen, a.HTTP.Limit, a.Spreed.Auto, test.listen, test.limit, test.auto)
			}
			if !reflect.DeepEqual(a.Root.Protocols, test.protocols) || !reflect.DeepEqual(a.XMPP.DomainMap, test.domains) {
				t.Errorf("protocols %q, map %q; want %q, %q", a.Root.Protocols, a.XMPP.DomainMap, test.protocols, test.domains)
			}
			if got := loaded.current("http.listen").Where; !strings.HasSuffix(got, test.originListen) || (got == "") != (test.originListen == "") {
				t.Errorf("http.listen is from %q, want %q", got, test.originListen)
			}
			if got := loaded.current("xmpp.domain_map").Where; !strings.HasSuffix(got, test.originMap) || (got == "") != (test.originMap == "") {
				t.Errorf("xmpp.domain_map is from %q, want %q", got, test.originMap)
			}
		})
	}
}

// Every mistake is refused with its place, its key and what was expected.
func TestFaults(t *testing.T) {
	tests := []struct {
		name, file string
		env, args  []string
		want       []string
	}{
		{"unknown key", "http:\n  listn: x\n", nil, nil, []string{"c.yaml:2: http.listn: unknown key; did you mean http.listen?"}},
		{"unknown section", "htpp: {listen: x}\n", nil, nil, []string{"c.yaml:1: htpp: unknown key; did you mean http?"}},
		{"key of another section", "http: {token-expire: 5m}\n", nil, nil, []string{"c.yaml:1: http.token-expire: unknown key; did you mean auth.token_expire?"}},
		{"key in one word", "http.listen: x\n", nil, nil, []string{"c.yaml:1: http.listen: unknown key; write http:, and below it, indented, listen"}},
		{"no key at all", "\"a\\nb\": 1\n\"" + strings.Repeat("k", 90) + "\": 1\n", nil, nil, []string{`c.yaml:1: a\nb: unknown key`, "c.yaml:2: " + strings.Repeat("k", 60) + ": unknown key"}},
		{"nothing near", "spreed: {zzzzzzzz: 1}\n", nil, nil, []string{"c.yaml:1: spreed.zzzzzzzz: unknown key; known here: spreed.enabled, spreed.auto_unavailable"}},
		{"twice", "http:\n  limit: 1\n  limit: 2\n", nil, nil, []string{"c.yaml:3: http.limit: set twice, first in c.yaml:2"}},
		{"section twice", "http: {limit: 1}\nhttp: {limit: 2}\n", nil, nil, []string{"c.yaml:2: http: set twice, first in c.yaml:1"}},
		{"twice in a map", "xmpp: {domain_map: {a: b, a: c}}\n", nil, nil, []string{"xmpp.domain_map.a: set twice"}},
		{"several at once", "http: {limit: a}\nfoo: 1\nspreed: {auto_unavailable: []}\n", nil, nil, []string{"c.yaml:1: http.limit", "c.yaml:2: foo", "c.yaml:3: spreed.auto_unavailable"}},
		{"text for a number", "http: {limit: ten}\n", nil, nil, []string{"c.yaml:1: http.limit: expected a whole number of at most 32 bits, got \"ten\""}},
		{"quoted number", "http: {limit: \"5\"}\n", nil, nil, []string{"http.limit: expected a whole number"}},
		{"number too large", "http: {limit: 3000000000}\n", nil, nil, []string{"http.limit: expected a whole number of at most 32 bits, got \"3000000000\""}},
		{"fraction", "http: {limit: 1.5}\n", nil, nil, []string{"http.limit: expected a whole number"}},
		{"number for a text", "http: {listen: 1234}\n", nil, nil, []string{"http.listen: expected a text (a number or a word like true must stand in quotes), got \"1234\""}},
		{"list for a text", "http: {listen: [a]}\n", nil, nil, []string{"http.listen: expected a text", "got a list"}},
		{"map for a text", "http: {listen: {a: b}}\n", nil, nil, []string{"http.listen: expected a text", "got a map"}},
		{"nothing for a text", "http: {listen: }\n", nil, nil, []string{"http.listen: expected a text", "got nothing"}},
		{"duration without unit", "spreed: {auto_unavailable: 2}\n", nil, nil, []string{"spreed.auto_unavailable: expected a duration such as 90s, 5m or 1h30m, got \"2\""}},
		{"no duration", "spreed: {auto_unavailable: soon}\n", nil, nil, []string{"expected a duration such as 90s, 5m or 1h30m, got \"soon\""}},
		{"yes for a bool", "xmpp: {strip_domain: yes}\n", nil, nil, []string{"xmpp.strip_domain: expected true or false, got \"yes\""}},
		{"text for a list", "protocols: spreed\n", nil, nil, []string{"protocols: expected a list, such as [a, b], got \"spreed\""}},
		{"number in a list", "protocols: [1]\n", nil, nil, []string{"c.yaml:1: protocols: entry 1: expected a text (a number or a word like true must stand in quotes), got \"1\""}},
		{"list in a list", "protocols: [[a]]\n", nil, nil, []string{"c.yaml:1: protocols: entry 1: expected a text", "got a list"}},
		{"list for a map", "xmpp: {domain_map: [a]}\n", nil, nil, []string{"xmpp.domain_map: expected a map, such as {a: b}, or a=b,c=d outside the file, got a list"}},
		{"number in a map", "xmpp: {domain_map: {a: 1}}\n", nil, nil, []string{"c.yaml:1: xmpp.domain_map.a: expected a text (a number or a word like true must stand in quotes), got \"1\""}},
		{"secret for a section", "auth: \"123456789\"\n", nil, nil, []string{"c.yaml:1: auth: expected keys, each with its value, got something else"}},
		{"text for a section", "http: hello\n", nil, nil, []string{"c.yaml:1: http: expected keys, each with its value, got \"hello\""}},
		{"list for everything", "- a\n", nil, nil, []string{"c.yaml:1: expected keys, each with its value, got a list"}},
		{"merge key", "http: {<<: {limit: 1}}\n", nil, nil, []string{"c.yaml:1: http.<<: unknown key; known here: http.listen, http.limit"}},
		{"list as key", "? [a]\n: b\n", nil, nil, []string{"expected a key, got a list"}},
		{"not YAML", "http: {listen: \n", nil, nil, []string{"c.yaml:1: did not find expected node content"}},
		{"tab", "http:\n\tlisten: x\n", nil, nil, []string{"c.yaml:2: a line is indented by a tab; use spaces"}},
		{"two documents", "http: {}\n---\nhttp: {}\n", nil, nil, []string{"c.yaml:2: more than one YAML document"}},
		{"not UTF-8", "http: {listen: \"\xff\"}\n", nil, nil, []string{"cannot read the configuration: c.yaml: it is not UTF-8 text"}},
		{"too large", strings.Repeat("#", maxFile+1), nil, nil, []string{"cannot read the configuration: c.yaml: it is longer than 1048576 bytes"}},
		{"secret of a wrong type", "auth: {secret: 123456789}\n", nil, nil, []string{"c.yaml:1: auth.secret: expected a text"}},
		{"secret that begins with an asterisk", "http: {}\nauth:\n  secret: *123456789\n", nil, nil, []string{"c.yaml: a value begins with *, which stands for a YAML alias; put it in quotes"}},
		{"domain without quotes", "http: {}\nauth:\n  secret: *@example.test\n", nil, nil, []string{"c.yaml:3: a value that begins with * or & must stand in quotes"}},
		{"secrets of a wrong type", "auth: {old_secrets: [123456789]}\n", nil, nil, []string{"c.yaml:1: auth.old_secrets: entry 1: expected a text"}},
		{"unknown variable", "", []string{"PRESENCE_HTTP__LISTN=x"}, nil, []string{"environment variable PRESENCE_HTTP__LISTN: there is no such key; did you mean PRESENCE_HTTP__LISTEN?"}},
		{"single underscore", "", []string{"PRESENCE_HTTP_LISTEN=x"}, nil, []string{"PRESENCE_HTTP_LISTEN: there is no such key; did you mean PRESENCE_HTTP__LISTEN?"}},
		{"strange variable", "", []string{"PRESENCE_XYZZYXYZZY=x"}, nil, []string{"PRESENCE_XYZZYXYZZY: there is no such key; a variable is named PRESENCE_SECTION__KEY"}},
		{"variable of a wrong type", "", []string{"PRESENCE_HTTP__LIMIT=ten"}, nil, []string{"environment variable PRESENCE_HTTP__LIMIT: http.limit: expected a whole number", "got \"ten\""}},
		{"bool variable", "", []string{"PRESENCE_XMPP__STRIP_DOMAIN=maybe"}, nil, []string{"xmpp.strip_domain: expected true or false, got \"maybe\""}},
		{"map variable", "", []string{"PRESENCE_XMPP__DOMAIN_MAP=a"}, nil, []string{"environment variable PRESENCE_XMPP__DOMAIN_MAP: xmpp.domain_map: expected a map, such as {a: b}, or a=b,c=d outside the file, got \"a\""}},
		{"map variable with a key twice", "", []string{"PRESENCE_XMPP__DOMAIN_MAP=a=b,a=c"}, nil, []string{"environment variable PRESENCE_XMPP__DOMAIN_MAP: xmpp.domain_map.a: set twice"}},
		{"flag of a wrong type", "", nil, []string{"--http.limit=ten"}, []string{"--http.limit", "expected a whole number", "got \"ten\""}},
		{"flag for a secret", "", nil, []string{"--auth.secret=abc"}, []string{"unknown flag: --auth.secret"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := ""
			if test.file != "" {
				name = "c.yaml"
			}
			a, _, err := load(t, name, test.file, test.env, test.args)
			if err == nil {
				t.Fatalf("accepted; want an error with %q", test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want it to contain %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "123456789") {
				t.Errorf("error %q shows a secret", err)
			}
			if !reflect.DeepEqual(a, defaults()) && !strings.Contains(test.name, "twice") { // the first counts then
				t.Errorf("the key at fault has not its default: %+v", a)
			}
		})
	}
}

// A container platform sets variables for services that are named presence, or presence and something. They are not ours.
func TestForeignVariables(t *testing.T) {
	environ := []string{"PRESENCE_SERVICE_HOST=10.0.0.1", "PRESENCE_SERVICE_PORT=1234", "PRESENCE_SERVICE_PORT_HTTP=1234", "PRESENCE_PORT=tcp://10.0.0.1:1234",
		"PRESENCE_PORT_1234_TCP=tcp://10.0.0.1:1234", "PRESENCE_PORT_1234_TCP_PROTO=tcp", "PRESENCE_PORT_1234_TCP_ADDR=10.0.0.1", "PRESENCE_NAME=/web/presence", "broken"}
	for _, service := range []string{"WEB", "HTTP", "STORE_2", "LOG_LEVEL"} {
		for _, variable := range []string{"SERVICE_HOST=10.0.0.1", "SERVICE_PORT=80", "SERVICE_PORT_MY_WEB=80", "PORT=tcp://10.0.0.1:80", "PORT_80_TCP=tcp://10.0.0.1:80",
			"PORT_80_TCP_PROTO=tcp", "PORT_80_TCP_PORT=80", "PORT_80_TCP_ADDR=10.0.0.1", "PORT_53_UDP=udp://[fd00::1]:53", "PORT_53_UDP_ADDR=fd00::1"} {
			environ = append(environ, "PRESENCE_"+service+"_"+variable)
		}
	}
	a, _, err := load(t, "", "", environ, nil)
	if err != nil || !reflect.DeepEqual(a, defaults()) {
		t.Fatalf("%+v, %v; want the defaults", a, err)
	}
	for _, misspelt := range []string{"PRESENCE_HTTP_PORT=80", "PRESENCE_HTTP__PORT=80", "PRESENCE_HTTP__SERVICE_HOST=x", "PRESENCE_WEB_NAME=/web/presence"} {
		name, _, _ := strings.Cut(misspelt, "=")
		if _, _, err := load(t, "", "", []string{misspelt}, nil); err == nil || !strings.Contains(err.Error(), name+": there is no such key") {
			t.Errorf("%s: %v", misspelt, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(Input{File: "/nowhere/c.yaml"}, defaults().sections()...)
	if want := "cannot read the configuration: open /nowhere/c.yaml: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	dir := t.TempDir()
	_, err = Load(Input{File: dir}, defaults().sections()...)
	if want := "cannot read the configuration: read " + dir + ": is a directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func everything(string) bool { return true }

// Faults that a section finds itself are told with the place where the value was set.
func TestValidate(t *testing.T) {
	tests := []struct {
		name, file, content string
		env                 []string
		chosen              func(string) bool
		want                string // empty: accepted
	}{
		{"fine", "c.yaml", "http: {listen: \"a:1\"}\n", nil, everything, ""},
		{"from the file", "c.yaml", "\nhttp:\n  listen: a\n", nil, everything, "c.yaml:3: http.listen: no port in \"a\""},
		{"two", "c.yaml", "http: {listen: a, limit: -1}\n", nil, everything, "c.yaml:1: http.listen: no port in \"a\"\nDIR/c.yaml:1: http.limit: must not be negative"},
		{"from the environment", "", "", []string{"PRESENCE_HTTP__LISTEN=a"}, everything, "environment variable PRESENCE_HTTP__LISTEN: http.listen: no port in \"a\""},
		{"not chosen", "c.yaml", "http: {listen: a}\n", nil, func(s string) bool { return s != "http" }, ""},
		{"a short secret", "c.yaml", "auth: {secret: abc}\n", nil, everything, "c.yaml:1: auth.secret: the secret is short"},
		{"a short secret in a presence.cfg", "p.cfg", "server_secret_key = abc\n", nil, everything,
			"p.cfg:1: server_secret_key: auth.secret: the secret is short; to go on with the one that your clients have, set PRESENCE_AUTH__ALLOW_WEAK_SECRET=true or --auth.allow_weak_secret"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := Input{Environ: test.env}
			dir := "DIR"
			if test.file != "" {
				in.File = write(t, test.file, test.content)
				dir = filepath.Dir(in.File)
			}
			loaded, err := Load(in, defaults().sections()...)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := loaded.Validate(test.chosen); err != nil {
				got = strings.TrimPrefix(strings.ReplaceAll(err.Error(), dir, "DIR"), "DIR/")
			}
			if got != test.want {
				t.Errorf("Validate: %s\nwant: %s", got, test.want)
			}
		})
	}
}

func TestWriteYAML(t *testing.T) {
	content := "auth: {secret: hushhushhushhush, old_secrets: [onetwothreefour, fivesixseven]}\nxmpp: {password: pass, jid: \"123\", domain_map: {a.b: c}}\nspreed: {auto_unavailable: 1h}\n"
	a, loaded, err := load(t, "c.yaml", content, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := loaded.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	want := `protocols:
  - spreed
http:
  listen: 127.0.0.1:1234
  limit: 10
auth:
  secret: '********'
  secret_file: ""
  old_secrets:
    - '********'
    - '********'
  token_expire: 5m
  update: self
xmpp:
  jid: "123"
  password: '********'
  password_file: ""
  strip_domain: false
  domain_map:
    a.b: c
spreed:
  enabled: true
  auto_unavailable: 1h
store:
  kind: ""
  dir: ""
log:
  level: info
  file: ""
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	again, _, err := load(t, "again.yaml", out.String(), nil, nil)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	mask := setting.NewSecret(setting.Mask)
	a.Auth.Secret, a.Auth.OldSecrets, a.XMPP.Password = mask, []setting.Secret{mask, mask}, mask
	if !reflect.DeepEqual(again, a) {
		t.Errorf("read back: %+v, want %+v", again, a)
	}
}

func TestKeys(t *testing.T) {
	keys, err := Keys(defaults().sections()...)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Key{}
	for _, key := range keys {
		byName[key.Name] = key
	}
	want := []Key{
		{Name: "protocols", Type: "list", Default: "spreed", Help: "what is on", Env: "PRESENCE_PROTOCOLS", Flag: "--protocols"},
		{Name: "http.limit", Type: "int", Default: "10", Help: "a number", Env: "PRESENCE_HTTP__LIMIT", Flag: "--http.limit"},
		{Name: "auth.secret", Type: "string", Help: "the secret", Env: "PRESENCE_AUTH__SECRET", Secret: true},
		{Name: "auth.token_expire", Type: "duration", Default: "5m", Help: "how long", Env: "PRESENCE_AUTH__TOKEN_EXPIRE", Flag: "--auth.token_expire"},
		{Name: "xmpp.domain_map", Type: "map", Default: "old.test=new.test", Help: "map", Env: "PRESENCE_XMPP__DOMAIN_MAP", Flag: "--xmpp.domain_map"},
		{Name: "xmpp.strip_domain", Type: "bool", Default: "false", Help: "strip", Env: "PRESENCE_XMPP__STRIP_DOMAIN", Flag: "--xmpp.strip_domain"},
	}
	for _, key := range want {
		got := byName[key.Name]
		got.value = reflect.Value{}
		if got != key {
			t.Errorf("key %+v, want %+v", got, key)
		}
	}
}

// With the faults that Load finds Validate tells the others, but none that follow from those.
func TestFaultsTogether(t *testing.T) {
	tests := []struct{ content, want, more string }{
		{"http: {listn: x, listen: a}\nauth: {secret: abc}\n", "c.yaml:1: http.listn: unknown key; did you mean http.listen?",
			"c.yaml:1: http.listen: no port in \"a\"\nc.yaml:2: auth.secret: the secret is short"},
		{"http: {listen: 5, limit: -1}\n", "c.yaml:1: http.listen: expected a text", "c.yaml:1: http.limit: must not be negative"},
		{"auth: {secret: [a]}\n", "c.yaml:1: auth.secret: expected a text", ""},
		{"http: a\n", "c.yaml:1: http: expected keys", ""},
		{"http: {listen: }\n", "c.yaml:1: http.listen: expected a text", ""},
	}
	for _, test := range tests {
		name := write(t, "c.yaml", test.content)
		a := defaults()
		a.HTTP.Listen = "nowhere" // the default would be a fault too
		loaded, err := Load(Input{File: name}, a.sections()...)
		if loaded == nil || err == nil {
			t.Fatalf("Load = %v, %v", loaded, err)
		}
		short := func(err error) string {
			if err == nil {
				return ""
			}
			return strings.ReplaceAll(err.Error(), filepath.Dir(name)+"/", "")
		}
		if got := short(err); !strings.HasPrefix(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("Load: %s\nwant %s", got, test.want)
		}
		if got := short(loaded.Validate(func(s string) bool { return s != "http" || strings.Contains(test.content, "http:") })); got != test.more {
			t.Errorf("Validate: %s\nwant %s", got, test.more)
		}
	}
	if loaded, err := Load(Input{File: write(t, "c.yaml", "http: {")}, defaults().sections()...); loaded != nil || err == nil {
		t.Errorf("of a file that cannot be read: %v, %v", loaded, err)
	}
}

// What is not a section is an error of the program and is found at once.
func TestBadSections(t *testing.T) {
	tests := []struct {
		name    string
		section Section
		want    string
	}{
		{"not a pointer", Section{Name: "a", Config: struct{}{}}, "not a pointer to a struct"},
		{"nil", Section{Name: "a", Config: (*rootConfig)(nil)}, "not a pointer to a struct"},
		{"a float", Section{Name: "a", Config: &struct {
			X float64 `koanf:"x"`
		}{}}, "a.x: a float64 cannot be configured"},
		{"twice", Section{Name: "a", Config: &struct {
			X int `koanf:"x"`
			Y int `koanf:"x"`
		}{}}, "a.x: two fields have this key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for what, call := range map[string]func() error{
				"Keys":     func() error { _, err := Keys(test.section); return err },
				"Load":     func() error { _, err := Load(Input{}, test.section); return err },
				"AddFlags": func() error { return AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError), test.section) },
			} {
				if err := call(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want an error with %q", what, err, test.want)
				}
			}
		})
	}
}
