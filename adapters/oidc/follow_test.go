package oidc_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
)

// now is the time of the bubble that a test runs in.
func now() domain.Timestamp { return domain.TimestampOf(time.Now()) }

// outcome says what a verifier makes of a token.
func outcome(v *oidc.Verifier, token string) string {
	by, err := v.Verify(token)
	switch {
	case err == nil:
		return string(by.User)
	case errors.Is(err, domain.ErrUnauthenticated):
		return "refused"
	case errors.Is(err, ports.ErrUnverifiable):
		return "later"
	}
	return err.Error()
}

func expect(t *testing.T, when string, v *oidc.Verifier, token, want string) {
	t.Helper()
	if got := outcome(v, token); got != want {
		t.Errorf("%s: %s; want %s", when, got, want)
	}
}

// TestProviderComesLate: the daemon starts without its provider, says so once, and goes on by itself.
func TestProviderComesLate(t *testing.T) {
	keys := newProvider().keys // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.keys, p.down = keys, true
		var log syncbuffer.Buffer
		v := start(t, p, config(), clock.New(), slog.New(slog.NewTextHandler(&log, nil)))
		synctest.Wait()
		expect(t, "before it was reached", v, p.sign(now(), nil, nil), "later")
		expect(t, "what is no token, before", v, "ey.x", "refused")
		time.Sleep(10 * time.Minute)
		if about, on := v.Provider(); !on || about.Issuer != issuer || about.TokenEndpoint != "" {
			t.Errorf("what is known of it: %+v, %v", about, on)
		}
		p.change(func(p *provider) { p.down = false })
		time.Sleep(30 * time.Second)
		expect(t, "half a minute after it has come", v, p.sign(now(), nil, nil), string(alice))
		if about, _ := v.Provider(); about.TokenEndpoint != issuer+"/token" || about.EndSessionEndpoint != issuer+"/logout" || about.Scope != "openid email profile offline_access" {
			t.Errorf("what is known of it: %+v", about)
		}
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "level=INFO") != 1 || !strings.Contains(text, "no route to host") {
			t.Errorf("the log: %s", text)
		}
		p.change(func(p *provider) { p.down = true })
		time.Sleep(24 * time.Hour)
		expect(t, "a day after it has gone", v, p.sign(now(), nil, nil), string(alice))
	})
}

// TestRotation: a token of a new key is good as soon as the key was fetched, which its first use causes. An old key is good as long as the provider
// has it.
func TestRotation(t *testing.T) {
	one, two := signingKey{"one", jwt.SigningMethodRS256, rsaKey()}, signingKey{"two", jwt.SigningMethodES256, ecKey()}
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		v := start(t, p, config(), clock.New(), slog.New(slog.DiscardHandler))
		time.Sleep(time.Minute)
		p.change(func(p *provider) { p.keys = []signingKey{one, two} })
		expect(t, "the first of a new key", v, two.sign(now(), nil, nil), "later")
		synctest.Wait() // no time passes
		expect(t, "the second", v, two.sign(now(), nil, nil), string(alice))
		expect(t, "of the old key", v, one.sign(now(), nil, nil), string(alice))
		p.change(func(p *provider) { p.keys = []signingKey{two} })
		time.Sleep(oidc.RefreshEvery + time.Second)
		expect(t, "of the new key, later", v, two.sign(now(), nil, nil), string(alice))
		if got := outcome(v, one.sign(now(), nil, nil)); got == string(alice) {
			t.Error("the old key is good after the provider has let it go")
		}
	})
}

// TestForgedKeys: whoever names keys that nobody has makes the daemon ask now and then, waits for nothing, and keeps nobody out.
func TestForgedKeys(t *testing.T) {
	two := signingKey{"two", jwt.SigningMethodES256, ecKey()}
	_ = newProvider()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		v := start(t, p, config(), clock.New(), slog.New(slog.DiscardHandler))
		synctest.Wait()
		later, rest := 0, p.sign(now(), nil, nil)
		rest = rest[strings.IndexByte(rest, '.'):]
		for i := range 2400 { // for four minutes, so that nothing else asks
			if i == 1200 {
				p.change(func(p *provider) { p.keys = append(p.keys, two) })
			}
			began := time.Now()
			switch got := outcome(v, base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":"%d"}`, i))+rest); got {
			case "refused":
			case "later":
				later++
			default:
				t.Fatal(got)
			}
			if took := time.Since(began); took > 0 {
				t.Fatalf("a forged token waits for %v", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if asked := p.asked(); asked < 70 || asked > 82 {
			t.Errorf("the keys were fetched %d times in four minutes", asked)
		}
		if later > 82 {
			t.Errorf("%d of 2,400 forged tokens were told to come again", later)
		}
		expect(t, "a new key, meanwhile", v, two.sign(now(), nil, nil), string(alice))
	})
}

// TestBadProviders: what a provider says is bounded, checked, and never followed elsewhere.
func TestBadProviders(t *testing.T) {
	_ = newProvider()
	description := func(change func(map[string]any)) string {
		document := map[string]any{"issuer": issuer, "jwks_uri": issuer + "/keys", "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token"}
		change(document)
		text := "{"
		for name, value := range document {
			text += fmt.Sprintf("%q:%q,", name, value)
		}
		return strings.TrimSuffix(text, ",") + "}"
	}
	const discovery, keys = "/openid-configuration", "/keys"
	for _, test := range []struct{ path, answer, want string }{
		{discovery, "<html>", "description"},
		{discovery, description(func(d map[string]any) { d["issuer"] = "https://evil.example.test" }), "oidc.issuer must be the same"},
		{discovery, description(func(d map[string]any) { d["jwks_uri"] = "http://login.example.test/keys" }), "jwks_uri"},
		{discovery, description(func(d map[string]any) { d["token_endpoint"] = "javascript:alert(1)" }), "token_endpoint"},
		{discovery, description(func(d map[string]any) { delete(d, "authorization_endpoint") }), "authorization_endpoint"},
		{discovery, "moved to https://evil.example.test", "Found"},
		{keys, "moved to https://evil.example.test", "Found"},
		{keys, "{", "JWK Set"},
		{keys, `{"keys":[]}`, "no public key"},
		{keys, `{"keys":[` + strings.Repeat("{},", 200) + `{}]}`, "201 keys"},
		{keys, strings.Repeat(" ", oidc.MaxDocument+1), "bytes"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newProvider()
			p.answers[test.path] = test.answer
			var log bytes.Buffer
			v := start(t, p, config(), clock.New(), slog.New(slog.NewTextHandler(&log, nil)))
			time.Sleep(time.Minute)
			expect(t, test.answer[:min(len(test.answer), 80)], v, p.sign(now(), nil, nil), "later")
			if !strings.Contains(log.String(), test.want) {
				t.Errorf("%.80s: %s", test.answer, log.String())
			}
			p.change(func(p *provider) { delete(p.answers, test.path) })
			time.Sleep(time.Minute)
			expect(t, "when it says what it should", v, p.sign(now(), nil, nil), string(alice))
		})
	}
}

// TestConfigure: another configuration holds from then on; the keys stay if they are of the same provider.
func TestConfigure(t *testing.T) {
	_ = newProvider()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		off := oidc.DefaultConfig()
		v := start(t, p, off, clock.New(), slog.New(slog.DiscardHandler))
		time.Sleep(time.Hour)
		expect(t, "off", v, p.sign(now(), nil, nil), "refused")
		if _, on := v.Provider(); on || p.asked() > 0 {
			t.Errorf("while it is off it is %v, and asks %d times", on, p.asked())
		}
		v.Configure(config(), skew)
		synctest.Wait()
		expect(t, "on", v, p.sign(now(), nil, nil), string(alice))
		v.Configure(config(func(c *oidc.Config) { c.Audience = "other" }), skew)
		expect(t, "for another audience", v, p.sign(now(), nil, nil), "refused")
		v.Configure(config(), 0)
		expect(t, "at once", v, p.sign(now(), nil, nil), string(alice))
		expect(t, "without a skew", v, p.sign(now(), nil, map[string]any{"exp": float64(now())/1e9 - 1}), "refused")
		v.Configure(config(func(c *oidc.Config) { c.Issuer = "https://other.example.test" }), skew)
		expect(t, "another provider's keys are not known yet", v, p.sign(now(), nil, nil), "later")
		v.Configure(config(), skew)
		synctest.Wait()
		expect(t, "and back", v, p.sign(now(), nil, nil), string(alice))
		v.Configure(off, skew)
		expect(t, "off again", v, p.sign(now(), nil, nil), "refused")
	})
}
