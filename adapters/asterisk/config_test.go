package asterisk

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/setting"
)

func TestValidate(t *testing.T) {
	valid := DefaultConfig()
	valid.Password = setting.NewSecret("hush")
	for _, host := range []string{"127.0.0.1:5038", "pbx.example.test:5039", "[2001:db8::1]:5038", "localhost:5038"} {
		c := valid
		c.Host = host
		if err := c.Validate(); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Host = "" }, `asterisk.host: "" must be host:port`},
		{func(c *Config) { c.Host = "pbx" }, "asterisk.host: "},
		{func(c *Config) { c.Host = ":5038" }, "asterisk.host: "},
		{func(c *Config) { c.Host = "pbx:0" }, "asterisk.host: "},
		{func(c *Config) { c.Host = "p bx:5038" }, "asterisk.host: "},
		{func(c *Config) { c.TLS = "starttls" }, `asterisk.tls: "starttls" must be none or direct`},
		{func(c *Config) { c.Roots.File, c.InsecureSkipVerify = "f", true }, "asterisk.insecure_skip_verify: "},
		{func(c *Config) { c.Username = "" }, "asterisk.username: it is missing"},
		{func(c *Config) { c.Username = "a\r\nAction: b" }, "asterisk.username: it has more than one line"},
		{func(c *Config) { c.Password = setting.Secret{} }, "asterisk.password: it is missing"},
		{func(c *Config) { c.Password = setting.NewSecret("a\nb") }, "asterisk.password: it has more than one line"},
		{func(c *Config) { c.Contexts = nil }, "asterisk.contexts: it is empty"},
		{func(c *Config) { c.Contexts = []string{"default", ""} }, `asterisk.contexts: "" is no name`},
		{func(c *Config) { c.Contexts = []string{"4711@default"} }, "asterisk.contexts: "},
		{func(c *Config) { c.Ringing = "away" }, `asterisk.ringing: "away" must be busy or available`},
		{func(c *Config) { c.Idle = "busy" }, `asterisk.idle: "busy" must be nothing or available`},
		{func(c *Config) { c.RelistEvery = 0 }, "asterisk.relist_every: "},
		{func(c *Config) { c.StaleAfter = -time.Second }, "asterisk.stale_after: "},
	}
	for _, test := range tests {
		c := valid
		test.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
	if err := (Config{}).Validate(); strings.Count(err.Error(), "\n") < 6 {
		t.Errorf("not every fault is named: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		host, tls string
		insecure  bool
		want      string
	}{
		{"127.0.0.1:5038", tlsNone, false, ""}, {"localhost:5038", tlsNone, false, ""}, {"[::1]:5038", tlsNone, false, ""},
		{"127.0.0.1", tlsNone, false, ""}, // Validate refuses it
		{"pbx.example.test:5038", tlsNone, false, "asterisk.tls is none"}, {"pbx.example.test:5039", tlsDirect, false, ""},
		{"pbx.example.test:5039", tlsDirect, true, "asterisk.insecure_skip_verify is set"},
	} {
		got := strings.Join(Config{Host: test.host, TLS: test.tls, InsecureSkipVerify: test.insecure}.Warnings(), "\n")
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%+v warns %q", test, got)
		}
	}
}
