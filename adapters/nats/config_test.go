package nats_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/nats"
)

// TestConfigIsRefused: every fault is named, with its key.
func TestConfigIsRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	tests := []struct {
		name   string
		change func(*nats.Config)
		want   string
	}{
		{"no url", func(c *nats.Config) { c.URL = "" }, "store.url: is needed"},
		{"another protocol", func(c *nats.Config) { c.URL = "nats://127.0.0.1:4222,http://127.0.0.1" }, "store.url: must be nats://host:port"},
		{"a password in the url", func(c *nats.Config) { c.URL = "nats://markd:GEHEIM@127.0.0.1" }, "store.url: holds a user"},
		{"bucket", func(c *nats.Config) { c.Bucket = "a.b" }, "store.bucket: must be"},
		{"replicas", func(c *nats.Config) { c.Replicas = 2 }, "store.replicas: must be 1, 3 or 5"},
		{"credentials", func(c *nats.Config) { c.Credentials = missing }, "store.credentials: open " + missing},
	}
	all := nats.Config{URL: "http://127.0.0.1", Bucket: "a.b", Replicas: 2, Credentials: missing}.Validate().Error()
	for _, test := range tests {
		cfg := nats.DefaultConfig()
		cfg.URL = "nats://127.0.0.1:4222, tls://nats2.example.test"
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		test.change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "GEHEIM") {
			t.Errorf("%s: Validate = %v, want %q", test.name, err, test.want)
		}
		if key, _, _ := strings.Cut(test.want, ":"); !strings.Contains(all, key) {
			t.Errorf("%s is not named among all faults:\n%s", key, all)
		}
	}
}
