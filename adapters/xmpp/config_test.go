package xmpp

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func validConfig() Config {
	c := DefaultConfig()
	c.JID, c.Password = "presence@example.test", "hush"
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
		{func(c *Config) { c.Password = "" }, "xmpp.password: it is missing"},
		{func(c *Config) { c.PasswordFile = "f" }, "xmpp.password: set either"},
		{func(c *Config) { c.Host = "a b" }, "xmpp.host: "},
		{func(c *Config) { c.Host = "a:0" }, "xmpp.host: "},
		{func(c *Config) { c.Host = "a:b:c" }, "xmpp.host: "},
		{func(c *Config) { c.TLS = "none" }, `xmpp.tls: "none" must be starttls or direct`},
		{func(c *Config) { c.TLS = "" }, "xmpp.tls: "},
		{func(c *Config) { c.CAFile, c.InsecureSkipVerify = "f", true }, "xmpp.insecure_skip_verify: "},
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

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ content, password, fault string }{
		"line":  {"a secret \n", "a secret ", ""},
		"bare":  {"secret", "secret", ""},
		"crlf":  {"secret\r\n", "secret", ""},
		"empty": {"\n", "", "it is empty"},
		"two":   {"one\ntwo\n", "", "more than one line"},
		"long":  {strings.Repeat("x", maxPasswordFile+1), "", "longer than"},
	} {
		c := validConfig()
		c.Password, c.PasswordFile = "", filepath.Join(dir, name)
		if err := os.WriteFile(c.PasswordFile, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := New(c, slog.New(slog.DiscardHandler))
		switch {
		case test.fault == "" && (err != nil || source.password != test.password):
			t.Errorf("%s: %v", name, err)
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault) || !strings.Contains(err.Error(), "xmpp.password_file")):
			t.Errorf("%s: got %v, want %q", name, err, test.fault)
		}
	}
}

// Whatever is wrong with the files is told together, by Validate already. Of a file without an end only as much is read as is needed to
// see that it is too long.
func TestFilesAreValidated(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ password, ca, wantPassword, wantCA string }{
		{"/nowhere/password", "/nowhere/ca.pem", "open /nowhere/password: no such file or directory", "open /nowhere/ca.pem: no such file or directory"},
		{empty, empty, empty + ": it is empty", empty + ": there is no PEM certificate in it"},
		{filepath.Dir(empty), filepath.Dir(empty), "read " + filepath.Dir(empty) + ": is a directory", "read " + filepath.Dir(empty) + ": is a directory"},
		{"/dev/zero", "/dev/zero", "/dev/zero: it is longer than 4096 bytes", "/dev/zero: it is longer than 4194304 bytes"},
	} {
		c := validConfig()
		c.Password, c.PasswordFile, c.CAFile, c.StaleAfter = "", test.password, test.ca, 0
		want := "xmpp.password_file: " + test.wantPassword + "\nxmpp.ca_file: " + test.wantCA + "\nxmpp.stale_after: 0s must be positive"
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestCAFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "x"} {
		c := validConfig()
		c.CAFile = file
		if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "xmpp.ca_file: ") {
			t.Errorf("got %v", err)
		}
	}
}
