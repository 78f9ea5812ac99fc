package irc

import (
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

func TestValidate(t *testing.T) {
	valid := DefaultConfig()
	valid.Host, valid.Domain, valid.Watch, valid.Password = "irc.example.test:6697", "example.test", []string{"alice"}, setting.NewSecret("the password")
	if err := valid.Validate(); err != nil {
		t.Errorf("a valid configuration: %v", err)
	}
	tests := []struct {
		key    string
		change func(*Config)
	}{
		{"irc.host", func(c *Config) { c.Host = "irc.example.test" }},
		{"irc.nick", func(c *Config) { c.Nick = "a nick" }},
		{"irc.domain", func(c *Config) { c.Domain = "" }},
		{"irc.watch", func(c *Config) { c.Watch = []string{"alice", "b@d"} }},
		{"irc.poll_every", func(c *Config) { c.PollEvery = 0 }},
		{"irc.poll_every", func(c *Config) { c.PollEvery = 2 * maxPollEvery }},
		{"irc.stale_after", func(c *Config) { c.StaleAfter = 0 }},
	}
	for _, test := range tests {
		c := valid
		test.change(&c)
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), test.key+": ") || strings.Contains(err.Error(), "the password") {
			t.Errorf("New returned %v, want a fault of %s", err, test.key)
		}
	}
}

func TestUserhost(t *testing.T) {
	online := make(map[string]domain.Status)
	readUserhost("Alice=+~a@host bob*=-b@host carol= dave=?x =+y", online)
	if len(online) != 2 || online["alice"] != domain.Available || online["bob"] != domain.Away {
		t.Errorf("online are %v", online)
	}
}

// FuzzMessages: whatever a server says makes no more of a line than is in it.
func FuzzMessages(f *testing.F) {
	f.Fuzz(func(t *testing.T, line string) {
		command, text := parse(line)
		if command == "" && text != "" || len(text) > len(line) {
			t.Errorf("%q is %q, %q", line, command, text)
		}
		online := make(map[string]domain.Status)
		readUserhost(text, online)
		if len(online) > strings.Count(line, "=") {
			t.Errorf("%q shows %v", line, online)
		}
	})
}
