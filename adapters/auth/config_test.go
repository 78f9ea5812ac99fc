package auth_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/setting"
)

func TestBadConfigurationsAreRefused(t *testing.T) {
	const howTo = "openssl rand -base64 32"
	for _, test := range []struct {
		name   string
		change func(*auth.Config)
		want   []string // in the message
	}{
		{"no secret", func(c *auth.Config) { c.Secret = setting.NewSecret("") }, []string{"auth.secret: ", "auth.secret_file", howTo}},
		{"no secret, weak allowed", func(c *auth.Config) { c.Secret, c.AllowWeakSecret = setting.Secret{}, true }, []string{"auth.secret: ", howTo}},
		{"short", func(c *auth.Config) { c.Secret = setting.NewSecret("fifteen letters") }, []string{"auth.secret: ", "15", "16", howTo, "auth.allow_weak_secret"}},
		{"short in characters", func(c *auth.Config) { c.Secret = setting.NewSecret(strings.Repeat("ü", 15)) }, []string{"auth.secret: ", howTo}},
		{"GEHEIM", func(c *auth.Config) { c.Secret = setting.NewSecret("GEHEIM") }, []string{"auth.secret: ", "example", howTo}},
		{"presence", func(c *auth.Config) { c.Secret = setting.NewSecret("presence") }, []string{"example"}},
		{"secret", func(c *auth.Config) { c.Secret = setting.NewSecret("Secret") }, []string{"example"}},
		{"changeme", func(c *auth.Config) { c.Secret = setting.NewSecret("changeme") }, []string{"example"}},
		{"a long example", func(c *auth.Config) { c.Secret = setting.NewSecret("ChangeMeChangeMe") }, []string{"example"}},
		{"one character", func(c *auth.Config) { c.Secret = setting.NewSecret("aaaaaaaaaaaaaaaa") }, []string{"auth.secret: ", "too few different characters", howTo, "auth.allow_weak_secret"}},
		{"zeros", func(c *auth.Config) { c.Secret = setting.NewSecret("0000000000000000") }, []string{"too few different characters"}},
		{"the alphabet", func(c *auth.Config) { c.Secret = setting.NewSecret("abcdefghijklmnop") }, []string{"too few different characters"}},
		{"backwards", func(c *auth.Config) { c.Secret = setting.NewSecret("zyxwvutsrqponmlkj") }, []string{"too few different characters"}},
		{"a word again and again", func(c *auth.Config) { c.Secret = setting.NewSecret("hushhushhushhush") }, []string{"too few different characters"}},
		{"digits in a row", func(c *auth.Config) { c.Secret = setting.NewSecret("12345678901234567890") }, []string{"too few different characters"}},
		{"weak old secret", func(c *auth.Config) {
			c.OldSecrets = []setting.Secret{setting.NewSecret("good enough, this one"), setting.NewSecret("GEHEIM")}
		}, []string{"auth.old_secrets: entry 2", "example"}},
		{"empty old secret", func(c *auth.Config) { c.OldSecrets, c.AllowWeakSecret = []setting.Secret{{}}, true }, []string{"auth.old_secrets: entry 1", "empty"}},
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
			for _, s := range append([]setting.Secret{cfg.Secret}, cfg.OldSecrets...) {
				if s := s.Reveal(); len(s) > 8 && strings.Contains(err.Error(), s) {
					t.Errorf("the message tells the secret: %v", err)
				}
			}
		})
	}
}

// Random secrets are strong, also the shortest ones of hexadecimal digits.
func TestRandomSecretsAreStrong(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 10_000 {
		if config(func(c *auth.Config) { c.Secret = setting.NewSecret(fmt.Sprintf("%016x", random.Uint64())) }).Validate() != nil {
			refused++
		}
	}
	if refused > 3 {
		t.Errorf("%d of 10,000 are refused", refused)
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
		{"weak is allowed, and there is none", config(weak, func(c *auth.Config) { c.Secret = setting.NewSecret("") }), ""},
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
