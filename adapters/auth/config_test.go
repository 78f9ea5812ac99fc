package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
)

func writeFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	const howTo = "openssl rand -base64 32"
	file := writeFile(t, "the secret in a file, long enough\n", 0o600)
	for _, test := range []struct {
		name   string
		change func(*auth.Config)
		want   []string // in the message
	}{
		{"no secret", func(c *auth.Config) { c.Secret = "" }, []string{"auth.secret: ", "auth.secret_file", howTo}},
		{"no secret, weak allowed", func(c *auth.Config) { c.Secret, c.AllowWeakSecret = "", true }, []string{"auth.secret: ", howTo}},
		{"short", func(c *auth.Config) { c.Secret = "fifteen letters" }, []string{"auth.secret: ", "15", "16", howTo, "auth.allow_weak_secret"}},
		{"short in characters", func(c *auth.Config) { c.Secret = strings.Repeat("ü", 15) }, []string{"auth.secret: ", howTo}},
		{"GEHEIM", func(c *auth.Config) { c.Secret = "GEHEIM" }, []string{"auth.secret: ", "example", howTo}},
		{"presence", func(c *auth.Config) { c.Secret = "presence" }, []string{"example"}},
		{"secret", func(c *auth.Config) { c.Secret = "Secret" }, []string{"example"}},
		{"changeme", func(c *auth.Config) { c.Secret = "changeme" }, []string{"example"}},
		{"a long example", func(c *auth.Config) { c.Secret = "ChangeMeChangeMe" }, []string{"example"}},
		{"weak old secret", func(c *auth.Config) { c.OldSecrets = []string{"good enough, this one", "GEHEIM"} }, []string{"auth.old_secrets: entry 2", "example"}},
		{"empty old secret", func(c *auth.Config) { c.OldSecrets, c.AllowWeakSecret = []string{""}, true }, []string{"auth.old_secrets: entry 1", "empty"}},
		{"two secrets", func(c *auth.Config) { c.SecretFile = file }, []string{"auth.secret_file: ", "auth.secret"}},
		{"no such file", func(c *auth.Config) { c.Secret, c.SecretFile = "", "/nonexistent/secret" }, []string{"auth.secret_file: ", "/nonexistent/secret"}},
		{"a directory", func(c *auth.Config) { c.Secret, c.SecretFile = "", filepath.Dir(file) }, []string{"auth.secret_file: ", filepath.Dir(file)}},
		{"empty file", func(c *auth.Config) { c.Secret, c.SecretFile = "", writeFile(t, "\n", 0o600) }, []string{"auth.secret_file: /", "empty", howTo}},
		{"weak file", func(c *auth.Config) { c.Secret, c.SecretFile = "", writeFile(t, "GEHEIM\n", 0o600) }, []string{"auth.secret_file: /", "example"}},
		{"huge file", func(c *auth.Config) {
			c.Secret, c.SecretFile = "", writeFile(t, strings.Repeat("x", auth.MaxSecretFile+1), 0o600)
		}, []string{"auth.secret_file: /", "4096"}},
		{"never valid", func(c *auth.Config) { c.TokenExpire = 0 }, []string{"auth.token_expire: "}},
		{"negative skew", func(c *auth.Config) { c.ClockSkew = -1 }, []string{"auth.clock_skew: "}},
		{"unknown rule", func(c *auth.Config) { c.Update = "all" }, []string{"auth.update: ", "self", "any", `"all"`}},
		{"service without a domain", func(c *auth.Config) { c.Services = []string{"meetings@example.test", "meetings"} }, []string{"auth.services: ", `"meetings"`}},
		{"everything at once", func(c *auth.Config) { *c = auth.Config{Services: []string{"x"}, ClockSkew: -1} },
			[]string{"auth.secret: ", "auth.token_expire: ", "auth.clock_skew: ", "auth.update: ", "auth.services: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := config(test.change)
			_, err := auth.New(cfg, at(exampleTime))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is missing in: %v", part, err)
				}
			}
			for _, s := range append([]string{cfg.Secret}, cfg.OldSecrets...) {
				if len(s) > 8 && strings.Contains(err.Error(), s) {
					t.Errorf("the message tells the secret: %v", err)
				}
			}
		})
	}
}

func TestSecretFromAFile(t *testing.T) {
	const content = " the secret in a file, long enough "
	for _, end := range []string{"", "\n", "\r\n", "\n\n"} {
		cfg := config(func(c *auth.Config) { c.Secret, c.SecretFile = "", writeFile(t, content+end, 0o600) })
		if got, want := newTokens(t, cfg, at(exampleTime)).Issue("markd@zarafa.com"), sign(content, exampleTime, "markd@zarafa.com"); got != want {
			t.Errorf("after %q: %s, want %s", end, got, want)
		}
		if warnings := cfg.Warnings(); len(warnings) != 0 {
			t.Errorf("warnings: %q", warnings)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  auth.Config
		want string
	}{
		{"nothing to say", config(), ""},
		{"weak is allowed but it is not", config(func(c *auth.Config) { c.AllowWeakSecret = true }), ""},
		{"weak", config(weak), "auth.allow_weak_secret: "},
		{"weak is allowed, and there is none", config(weak, func(c *auth.Config) { c.Secret = "" }), ""},
		{"anybody may update anybody", config(func(c *auth.Config) { c.Update = auth.UpdateAny }), "auth.update: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(test.cfg.Warnings(), "\n")
			if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) || strings.Contains(got, exampleSecret) {
				t.Errorf("warnings %q, want one about %q", got, test.want)
			}
		})
	}
}
