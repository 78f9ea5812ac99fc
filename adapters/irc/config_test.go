package irc

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/setting"
)

func validConfig() Config {
	c := DefaultConfig()
	c.Host = "irc.example.test:6697"
	return c
}

func TestValidate(t *testing.T) {
	tests := []struct {
		key    string // of the fault; empty: valid
		change func(*Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.Host = "[2001:db8::1]:6697" }},
		{"", func(c *Config) { c.Watch, c.Domain, c.BusyPattern = []string{"alice", "[Bob]"}, "example.test", "" }},
		{"", func(c *Config) { c.TLS, c.RequireAccount = tlsNone, false }},
		{"irc.host", func(c *Config) { c.Host = "irc.example.test" }},
		{"irc.host", func(c *Config) { c.Host = ":6697" }},
		{"irc.tls", func(c *Config) { c.TLS = "starttls" }},
		{"irc.insecure_skip_verify", func(c *Config) { c.Roots.File, c.InsecureSkipVerify = "f", true }},
		{"irc.nick", func(c *Config) { c.Nick = "a nick" }},
		{"irc.nick", func(c *Config) { c.Nick = "a\r\nQUIT" }},
		{"irc.password", func(c *Config) { c.Password = setting.NewSecret("the password\nQUIT") }},
		{"irc.sasl", func(c *Config) { c.SASL = "external" }},
		{"irc.password", func(c *Config) { c.SASL, c.Password = saslPlain, setting.Secret{} }},
		{"irc.domain", func(c *Config) { c.Watch = []string{"alice"} }},
		{"irc.domain", func(c *Config) { c.Domain = "a b" }},
		{"irc.watch", func(c *Config) { c.Domain, c.Watch = "example.test", []string{"alice", "b@d"} }},
		{"irc.watch", func(c *Config) { c.Domain, c.Watch = "example.test", []string{`a\b`} }}, // a nick, but no user's
		{"irc.busy_pattern", func(c *Config) { c.BusyPattern = "(" }},
		{"irc.poll_every", func(c *Config) { c.PollEvery = 0 }},
		{"irc.stale_after", func(c *Config) { c.StaleAfter = 0 }},
	}
	for _, test := range tests {
		c := validConfig()
		c.Password = setting.NewSecret("the password")
		test.change(&c)
		_, err := New(c, app.NewIdentities(nil), slog.New(slog.DiscardHandler))
		switch {
		case test.key == "" && err != nil:
			t.Errorf("New returned %v for a valid configuration", err)
		case test.key != "" && (err == nil || !strings.HasPrefix(err.Error(), test.key+": ") || strings.Contains(err.Error(), "the password")):
			t.Errorf("New returned %v, want a fault of %s", err, test.key)
		}
	}
}

func TestWarnings(t *testing.T) {
	c := validConfig()
	if warnings := c.Warnings(); len(warnings) != 0 {
		t.Errorf("the defaults are warned of: %q", warnings)
	}
	c.TLS, c.RequireAccount, c.InsecureSkipVerify, c.Password = tlsNone, false, true, setting.NewSecret("hush")
	warnings := strings.Join(c.Warnings(), "\n")
	for _, want := range []string{"irc.tls is none", "irc.require_account is false", "irc.insecure_skip_verify is set"} {
		if !strings.Contains(warnings, want) || strings.Contains(warnings, "hush") {
			t.Errorf("the warnings are %q, want one of %s", warnings, want)
		}
	}
}
