package config

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/setting"
)

// The file as the original installed it, with an account filled in.
const installed = `##############################################################
# PRESENCE SERVICE SETTINGS

data_path           =   /var/lib/zarafa/presence/
data_save_interval  = 5
#run_as_user        = zarafa
server_bind = 0.0.0.0
server_port = 1234
server_auth_user = presence
server_secret_key = kuR2#rahX = "x"
server_token_expire = 10
plugins = spreed xmpp
xmpp_jid = presence@chat.example.test
xmpp_password = päss word
xmpp_user_id_strip_domain = no
spreed_auto_unavailable = 3
log_level = 6
log_file = /var/log/zarafa/presence.log
`

func TestLegacy(t *testing.T) {
	a, loaded, err := load(t, "presence.cfg", installed, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Root.Protocols = []string{"spreed", "xmpp"}
	want.HTTP.Listen = "0.0.0.0:1234"
	want.Auth = authConfig{Secret: setting.NewSecret(`kuR2#rahX = "x"`), Expire: 10 * time.Minute, Update: "any"}
	want.XMPP = xmppConfig{JID: "presence@chat.example.test", Password: setting.NewSecret("päss word"), DomainMap: map[string]string{"chat.example.test": "example.test"}}
	want.Store.Dir = "/var/lib/zarafa/presence/store"
	want.Spreed.Auto = 3 * time.Minute
	want.Log = logConfig{Level: "debug", File: "/var/log/zarafa/presence.log"}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("got  %+v\nwant %+v", a, want)
	}
	warnings := strings.Join(loaded.Warnings(everything), "\n")
	for _, want := range []string{
		"presence.cfg:5: data_save_interval: ignored, it means nothing any more: every change is kept at once",
		"presence.cfg:9: server_auth_user: ignored",
		"presence.cfg: auth.update: any lets every user change every other, as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or --auth.update self",
	} {
		if !strings.Contains(warnings, want) {
			t.Errorf("warnings\n%s\nlack %q", warnings, want)
		}
	}
	if len(loaded.Warnings(everything)) != 3 {
		t.Errorf("%d warnings, want 3:\n%s", len(loaded.Warnings(everything)), warnings)
	}
}

func TestLegacyValues(t *testing.T) {
	listen := func(address string) func(*all) { return func(a *all) { a.HTTP.Listen = address } }
	tests := []struct {
		content string
		set     func(*all)
		warning string
	}{
		{"", func(*all) {}, ""},
		{"server_bind =\n", listen(":1234"), ""},
		{"server_bind = *\n", listen(":1234"), ""},
		{"server_bind = ::1\nserver_port = 80\n", listen("[::1]:80"), ""},
		{"server_bind = [::]\n", listen("[::]:1234"), ""},
		{"server_port = 8080\n", listen("127.0.0.1:8080"), ""},
		{"server_port =\n", listen("127.0.0.1:1234"), ""},
		{"plugins = xmpp\n", func(a *all) { a.Root.Protocols, a.Spreed.Enabled = []string{"xmpp"}, false }, ""},
		{"plugins = xmpp, spreed\n", func(a *all) { a.Root.Protocols = []string{"xmpp", "spreed"} }, ""},
		{"plugins =\n", func(*all) {}, ""},
		{"server_token_expire =\n", func(*all) {}, ""},
		{"xmpp_user_id_strip_domain = YES\n", func(a *all) { a.XMPP.StripDomain = true }, ""},
		{"xmpp_user_id_strip_domain = 1\n", func(a *all) { a.XMPP.StripDomain = true }, ""},
		{"log_level = 0\n", func(a *all) { a.Log.Level = "error" }, ""},
		{"log_level = 3\n", func(a *all) { a.Log.Level = "warn" }, ""},
		{"log_level = 5\n", func(a *all) { a.Log.Level = "info" }, ""},
		{"log_level = DEBUG\n", func(a *all) { a.Log.Level = "debug" }, ""},
		{"log_file = -\n", func(*all) {}, ""},
		{"  server_port=81  \r\n", listen("127.0.0.1:81"), ""},
		{"\ufeffserver_port = 82\n", listen("127.0.0.1:82"), ""},
		{"server_port = 1\nserver_port = 2\n", listen("127.0.0.1:2"), "p.cfg:2: server_port: set twice; this line counts, not p.cfg:1"},
		{"server_prot = 1\n", func(*all) {}, "p.cfg:1: server_prot: ignored: unknown key; did you mean server_port?"},
		{"auth.secret = 1\n", func(*all) {}, "p.cfg:1: auth.secret: ignored: unknown key\np.cfg: auth.update"},
		{"zzzzzzzzz = 1\n", func(*all) {}, "p.cfg:1: zzzzzzzzz: ignored: unknown key"},
		{"hello\n", func(*all) {}, "p.cfg:1: ignored: it is neither key = value nor a comment"},
		{"= 5\n", func(*all) {}, "p.cfg:1: ignored: it is neither"},
		{"server_secret_key = \"abcdefghijklmnop\"\n", func(a *all) { a.Auth.Secret = setting.NewSecret(`"abcdefghijklmnop"`) }, "p.cfg:1: server_secret_key: the quotes are part of the value"},
		{"xmpp_jid = a@chat.\n", func(a *all) { a.XMPP.JID = "a@chat." }, ""},
		{"xmpp_jid = a@chat.x,y=z\n", func(a *all) { a.XMPP.JID = "a@chat.x,y=z" }, ""},
		{"xmpp_jid = a@chat.example.test/bot\n", func(a *all) {
			a.XMPP.JID, a.XMPP.DomainMap = "a@chat.example.test/bot", map[string]string{"chat.example.test": "example.test"}
		}, ""},
	}
	for i, test := range tests {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			a, loaded, err := load(t, "p.cfg", test.content, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			want.Auth.Update = "any"
			test.set(want)
			if !reflect.DeepEqual(a, want) {
				t.Errorf("got  %+v\nwant %+v", a, want)
			}
			if warnings := strings.ReplaceAll(strings.Join(loaded.Warnings(everything), "\n"), filepath.Dir(loaded.file)+"/", ""); !strings.Contains(warnings, test.warning) || strings.Contains(warnings, "abcdefgh") {
				t.Errorf("warnings\n%s\nlack %q, or show a secret", warnings, test.warning)
			}
			if n := len(loaded.Warnings(everything)); test.warning == "" && n != 1 {
				t.Errorf("%d warnings, want only the one about auth.update: %q", n, loaded.Warnings(everything))
			}
		})
	}
}

func TestLegacyFaults(t *testing.T) {
	tests := []struct{ content, want string }{
		{"server_port = 1234 # web\n", `p.cfg:1: server_port: expected a port number from 1 to 65535, got "1234 # web"`},
		{"\nserver_port = 0\n", `p.cfg:2: server_port: expected a port number`},
		{"server_port = 65536\n", `p.cfg:1: server_port: expected a port number`},
		{"server_token_expire = 5m\n", `p.cfg:1: server_token_expire: expected a whole number of minutes, got "5m"`},
		{"spreed_auto_unavailable = -1\n", `p.cfg:1: spreed_auto_unavailable: expected a whole number of minutes, got "-1"`},
		{"spreed_auto_unavailable = 99999999999\n", `expected a whole number of minutes`},
		{"xmpp_user_id_strip_domain = perhaps\n", `p.cfg:1: xmpp_user_id_strip_domain: expected yes or no, got "perhaps"`},
		{"log_level = loud\n", `p.cfg:1: log_level: expected 0 to 6, error, warning, info or debug, got "loud"`},
		{"log_level = \xff\n", `cannot read the configuration: p.cfg: it is not UTF-8 text`},
	}
	for _, test := range tests {
		t.Run(test.content, func(t *testing.T) {
			if _, _, err := load(t, "p.cfg", test.content, nil, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// The environment and flags lie over a presence.cfg too, and what they replace is not warned of.
func TestLegacyOverridden(t *testing.T) {
	a, loaded, err := load(t, "p.cfg", "server_port = 80\n", []string{"PRESENCE_AUTH__UPDATE=self"}, []string{"--http.listen=[::1]:81"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Auth.Update != "self" || a.HTTP.Listen != "[::1]:81" || len(loaded.Warnings(everything)) != 0 {
		t.Errorf("update %q, listen %q, warnings %q; want self, [::1]:81 and none", a.Auth.Update, a.HTTP.Listen, loaded.Warnings(everything))
	}
}

func TestIsLegacy(t *testing.T) {
	tests := []struct {
		name, content string
		want          bool
	}{
		{"a.cfg", "http: {}", true},
		{"a.CFG", "", true},
		{"a.yaml", "a = b", false},
		{"a.YML", "a = b", false},
		{"a.conf", "# x\n\nserver_bind = ::1\n", true},
		{"a.conf", "http: {listen: \"a=b\"}", false},
		{"a", "", false},
		{"a", "= b", false},
	}
	for _, test := range tests {
		if got := isLegacy(test.name, []byte(test.content)); got != test.want {
			t.Errorf("isLegacy(%q, %q) = %v", test.name, test.content, got)
		}
	}
}

// Whatever the file holds: no panic, no value of a secret in a message, and nothing is lost of what is an entry.
func FuzzLegacy(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := parseLegacy("f", string(data))
		var written strings.Builder
		for _, entry := range entries {
			if entry.key != strings.TrimSpace(entry.key) || entry.value != strings.TrimSpace(entry.value) || entry.where == "" {
				t.Fatalf("entry %+v", entry)
			}
			written.WriteString(entry.key + "=" + entry.value + "\n")
		}
		again := parseLegacy("f", written.String())
		if len(again) != len(entries) {
			t.Fatalf("%d entries, written and read again %d", len(entries), len(again))
		}
		for i := range again {
			if again[i].key != entries[i].key || again[i].value != entries[i].value {
				t.Fatalf("entry %+v, read again %+v", entries[i], again[i])
			}
		}
		loaded, err := fuzzed(t, "f.cfg", append([]byte("server_secret_key = Ga7ouK9eeRie4oov\n"), data...))
		if err != nil && strings.Contains(err.Error(), "Ga7ouK9eeRie4oov") {
			t.Fatalf("%v shows a secret", err)
		}
		if loaded == nil {
			return
		}
		for name := range loaded.all.All() {
			if loaded.key[name].Name == "" {
				t.Fatalf("there is no key %s", strconv.Quote(name))
			}
		}
	})
}

// fuzzed loads a file, whose faults must say where they are.
func fuzzed(t *testing.T, name string, data []byte) (*Loaded, error) {
	t.Helper()
	file := write(t, name, string(data))
	loaded, err := Load(Input{File: file}, defaults().sections()...)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(strings.TrimPrefix(line, "cannot read the configuration: "), file+":") {
				t.Fatalf("fault %s says not where", line)
			}
		}
	}
	return loaded, err
}

// No YAML, however strange, may do anything but be read or be refused.
func FuzzYAML(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = fuzzed(t, "f.yaml", data) })
}
