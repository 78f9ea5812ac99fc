package xmpp

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/setting"
)

func validConfig() Config {
	c := DefaultConfig()
	c.JID, c.Password = "presence@example.test", setting.NewSecret("hush")
	return c
}

func TestValidate(t *testing.T) {
	for _, host := range []string{"", "localhost", "xmpp.example.test:5222", "192.0.2.1", "192.0.2.1:5222", "2001:db8::1", "[2001:db8::1]:5222"} {
		c := validConfig()
		c.Host = host
		if err := c.Validate(); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.JID = "" }, "xmpp.jid: it is missing"},
		{func(c *Config) { c.JID = "example.test" }, "xmpp.jid: "},
		{func(c *Config) { c.Password = setting.Secret{} }, "xmpp.password: it is missing"},
		{func(c *Config) { c.Password = setting.NewSecret("one\ntwo") }, "xmpp.password: it has more than one line"},
		{func(c *Config) { c.Host = "a b" }, "xmpp.host: "},
		{func(c *Config) { c.Host = "a:0" }, "xmpp.host: "},
		{func(c *Config) { c.Host = "a:b:c" }, "xmpp.host: "},
		{func(c *Config) { c.TLS = "none" }, `xmpp.tls: "none" must be starttls or direct`},
		{func(c *Config) { c.TLS = "" }, "xmpp.tls: "},
		{func(c *Config) { c.Roots.File, c.InsecureSkipVerify = "f", true }, "xmpp.insecure_skip_verify: "},
		{func(c *Config) { c.DomainMap = map[string]string{"a b": "c"} }, "xmpp.domain_map: "},
		{func(c *Config) { c.DomainMap = map[string]string{"a": ""} }, "xmpp.domain_map: a: "},
		{func(c *Config) {
			c.DomainMap = map[string]string{"chat.test": "a.test", "x.test": "a.test", "Chat.test": "b.test"}
		}, "xmpp.domain_map: Chat.test and chat.test are one host"},
		{func(c *Config) { c.AllowDomains = []string{"*"} }, "xmpp.allow_domains: "},
		{func(c *Config) { c.StaleAfter = 0 }, "xmpp.stale_after: "},
		{func(c *Config) { c.SweepAfter = -time.Second }, "xmpp.sweep_after: "},
	}
	for _, test := range tests {
		c := validConfig()
		test.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
	c := Config{}
	if err := c.Validate(); strings.Count(err.Error(), "\n") < 3 {
		t.Errorf("not every fault is named: %v", err)
	}
}

// What is unwise is among the warnings, which the daemon logs and check prints. Making a source, as each reload may do, logs nothing.
func TestWarnings(t *testing.T) {
	c := validConfig()
	if got := c.Warnings(); len(got) != 0 {
		t.Errorf("the defaults are warned of: %q", got)
	}
	c.InsecureSkipVerify = true
	if got := c.Warnings(); !slices.Equal(got, []string{"xmpp.insecure_skip_verify is set: anybody on the way to the XMPP server can read the password"}) {
		t.Errorf("the warnings are %q", got)
	}
	var log bytes.Buffer
	if _, err := New(c, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil || log.Len() > 0 {
		t.Errorf("New returned %v and logged %q", err, &log)
	}
}
