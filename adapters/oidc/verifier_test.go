package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports/portstest"
)

// TestContract checks what ports.Verifier promises.
func TestContract(t *testing.T) {
	portstest.Verifier(t, func(t testing.TB) portstest.VerifierStage {
		p := newProvider()
		v, clock := ready(t, p, config())
		return portstest.VerifierStage{Verifier: v, Lifetime: 300*time.Second + skew, Clock: clock, Issue: func(user domain.UserID) string {
			return p.sign(clock.Now(), nil, map[string]any{"email": user})
		}}
	})
}

// TestAlgorithms: each kind of key is good for its tokens.
func TestAlgorithms(t *testing.T) {
	for _, key := range []signingKey{
		{"a", jwt.SigningMethodRS256, rsaKey()}, {"a", jwt.SigningMethodRS512, rsaKey()}, {"a", jwt.SigningMethodPS256, rsaKey()},
		{"a", jwt.SigningMethodES256, ecKey()}, {"a", jwt.SigningMethodEdDSA, edKey()},
	} {
		p := newProvider()
		p.keys = []signingKey{key}
		v, clock := ready(t, p, config())
		for _, header := range []map[string]any{nil, {"kid": nil}, {"typ": "at+jwt"}, {"typ": nil}} {
			if by, err := v.Verify(p.sign(clock.Now(), header, nil)); err != nil || by.User != alice {
				t.Errorf("%s, %v: %v, %v", key.method.Alg(), header, by, err)
			}
		}
	}
}

// TestHostileTokens: what is not a good token of the provider for this daemon is refused, with a reason that helps and tells nothing.
func TestHostileTokens(t *testing.T) {
	p := newProvider()
	p.keys = append([]signingKey{{"ec", jwt.SigningMethodES256, ecKey()}}, p.keys...)
	secret := []byte("0123456789abcdef0123456789abcdef")
	p.extra = []json.RawMessage{
		jwk("enc", "RSA-OAEP", jwkset.UseEnc, anotherRSA().Public()), jwk("oct", "HS256", jwkset.UseSig, secret),
		json.RawMessage(`{"kty":"AKP","kid":"future","alg":"ML-DSA-65","pub":"AAAA"}`), json.RawMessage(`{"kty":"RSA"}`), json.RawMessage(`7`),
	}
	v, clock := ready(t, p, config())
	now := clock.Now()
	if by, err := v.Verify(p.sign(now, nil, nil)); err != nil || by.User != alice || by.Service || by.Any {
		t.Fatalf("a good token: %+v, %v", by, err)
	}
	seconds := float64(now) / 1e9
	forged := signingKey{"one", jwt.SigningMethodRS256, anotherRSA()}
	shared := func(key any) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": issuer, "aud": client, "exp": seconds + 300, "email": alice, "email_verified": true})
		token.Header["kid"] = "one"
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := strings.Split(p.sign(now, nil, nil), ".")
	encoded := base64.RawURLEncoding.EncodeToString
	for what, test := range map[string]struct{ token, want string }{
		"signed by somebody else":         {forged.sign(now, nil, nil), "forged"},
		"of a key for encryption":         {signingKey{"enc", jwt.SigningMethodRS256, anotherRSA()}.sign(now, nil, nil), "key"},
		"with the public key as a secret": {shared(p.keySet()), "algorithm"},
		"with the secret of an oct key":   {shared(secret), "algorithm"},
		"unsigned":                        {encoded([]byte(`{"alg":"none","kid":"one"}`)) + "." + good[1] + ".", "algorithm"},
		"without a signature":             {good[0] + "." + good[1] + ".", "forged"},
		"of another algorithm":            {signingKey{"one", jwt.SigningMethodRS384, rsaKey()}.sign(now, nil, nil), "forged"},
		"of another kind of key":          {signingKey{"ec", jwt.SigningMethodRS256, rsaKey()}.sign(now, nil, nil), "forged"},
		"of no key, of two":               {p.sign(now, map[string]any{"kid": nil}, nil), "key"},
		"with a key in itself":            {forged.sign(now, map[string]any{"kid": "mine", "jwk": jwk("mine", "RS256", jwkset.UseSig, anotherRSA().Public())}, nil), "key"},
		"with a key elsewhere":            {forged.sign(now, map[string]any{"kid": "mine", "jku": "https://evil.example.test/keys"}, nil), "key"},
		"with what must be understood":    {p.sign(now, map[string]any{"crit": []string{"b64"}, "b64": false}, nil), "crit"},
		"for a logout":                    {p.sign(now, map[string]any{"typ": "logout+jwt"}, nil), "typ"},
		"with a number as key":            {p.sign(now, map[string]any{"kid": 7}, nil), "header"},
		"with two algorithms":             {encoded([]byte(`{"alg":"none","ALG":"RS256","kid":"one"}`)) + "." + good[1] + "." + good[2], "forged"},
		"expired":                         {p.sign(now, nil, map[string]any{"exp": seconds - 31}), "expired: its end was 2099-12-31T23:59:29Z"},
		"without an end":                  {p.sign(now, nil, map[string]any{"exp": nil}), "exp"},
		"with a text as its end":          {p.sign(now, nil, map[string]any{"exp": "never"}), "malformed"},
		"not valid yet":                   {p.sign(now, nil, map[string]any{"nbf": seconds + 31}), "future"},
		"issued in the future":            {p.sign(now, nil, map[string]any{"iat": seconds + 31}), "future"},
		"of another issuer":               {p.sign(now, nil, map[string]any{"iss": issuer + "/"}), "oidc.issuer"},
		"of no issuer":                    {p.sign(now, nil, map[string]any{"iss": nil}), "iss"},
		"for another audience":            {p.sign(now, nil, map[string]any{"aud": []string{"account", "crm"}}), "oidc.audience"},
		"for no audience":                 {p.sign(now, nil, map[string]any{"aud": nil}), "aud"},
		"of nobody":                       {p.sign(now, nil, map[string]any{"email": nil}), "oidc.user_claim"},
		"of a number":                     {p.sign(now, nil, map[string]any{"email": 7}), "oidc.user_claim"},
		"of what is no user":              {p.sign(now, nil, map[string]any{"email": "alice"}), "alice"},
		"of a static key's name":          {p.sign(now, nil, map[string]any{"email": "key:wall"}), "key:wall"},
		"of an address not verified":      {p.sign(now, nil, map[string]any{"email_verified": false}), "email_verified"},
		"of an address nobody looked at":  {p.sign(now, nil, map[string]any{"email_verified": nil}), "email_verified"},
		"of claims that are a list":       {good[0] + "." + encoded([]byte(`[]`)) + "." + good[2], "malformed"},
		"of claims very deep":             {good[0] + "." + encoded([]byte(strings.Repeat("[", 11_000))) + "." + good[2], "malformed"},
		"with a large header":             {encoded([]byte(`{"alg":"RS256","x":"`+strings.Repeat("x", 4000)+`"}`)) + "." + good[1] + "." + good[2], "too large"},
		"large":                           {p.sign(now, nil, map[string]any{"groups": strings.Repeat("x", oidc.MaxToken)}), "too large"},
		"nothing but dots":                {"ey..", "malformed"},
		"many dots":                       {"ey" + strings.Repeat(".", 10_000), "malformed"},
	} {
		if !oidc.IsToken(test.token) {
			t.Errorf("%s: it would not come here", what)
		}
		by, err := v.Verify(test.token)
		if !errors.Is(err, domain.ErrUnauthenticated) || by.User != "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("a token %s: %+v, %v; want %q in it", what, by, err, test.want)
		}
		if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "evil")) {
			t.Errorf("a token %s: the error repeats what somebody has written: %v", what, err)
		}
	}
}

// TestLeeway: clocks may differ by the skew, and a token holds as much longer.
func TestLeeway(t *testing.T) {
	p := newProvider()
	v, clock := ready(t, p, config())
	seconds := int64(clock.Now()) / int64(time.Second)
	for _, claims := range []map[string]any{
		{"exp": seconds - 29}, {"iat": seconds + 29}, {"nbf": seconds + 29}, {"aud": []string{"account", client}}, {"email_verified": "true"},
	} {
		if by, err := v.Verify(p.sign(clock.Now(), nil, claims)); err != nil {
			t.Errorf("%v: %+v, %v", claims, by, err)
		}
	}
	for _, end := range []float64{1e10, 1e18, 1e19, 1e300} { // beyond what a timestamp holds
		by, err := v.Verify(p.sign(clock.Now(), nil, map[string]any{"exp": end}))
		if err == nil && by.Until < clock.Now() {
			t.Errorf("an end at %v: until %v", end, by.Until)
		}
	}
}

// TestClaims: who a token is about, and whether it is a service.
func TestClaims(t *testing.T) {
	for _, test := range []struct {
		change  func(*oidc.Config)
		claims  map[string]any
		user    domain.UserID
		service bool
	}{
		{nil, map[string]any{"email": "Alice@Example.Test"}, alice, false},
		{nil, map[string]any{"email": "boss@example.test"}, "boss@example.test", true}, // auth.services
		{nil, map[string]any{"roles": []string{"presence-service"}}, alice, false},     // no role is configured
		{func(c *oidc.Config) { c.UserClaim = "upn" }, map[string]any{"upn": "bob@example.test", "email_verified": false}, "bob@example.test", false},
		{func(c *oidc.Config) { c.UserClaim = "ids.mail" }, map[string]any{"ids": map[string]any{"mail": "bob@example.test"}}, "bob@example.test", false},
		{func(c *oidc.Config) { c.UserClaim = "https://example.test/user" }, map[string]any{"https://example.test/user": "bob@example.test"}, "bob@example.test", false},
		{service, map[string]any{"roles": []string{"staff", "presence-service"}}, alice, true},
		{service, map[string]any{"roles": "presence-service"}, alice, true},
		{service, map[string]any{"roles": "staff presence-service"}, alice, true},
		{service, map[string]any{"roles": []string{"staff"}}, alice, false},
		{service, map[string]any{"roles": []any{map[string]any{"name": "presence-service"}, 7}}, alice, false},
		{service, map[string]any{"roles": map[string]any{"presence-service": true}}, alice, false},
		{service, map[string]any{"roles": "presence-services"}, alice, false},
		{service, nil, alice, false},
		{func(c *oidc.Config) { service(c); c.RoleClaim = "realm_access.roles" }, map[string]any{"realm_access": map[string]any{"roles": []string{"presence-service"}}}, alice, true},
		{func(c *oidc.Config) { service(c); c.RoleClaim = "resource_access.board.v2.roles" },
			map[string]any{"resource_access": map[string]any{"board.v2": map[string]any{"roles": []string{"presence-service"}}}}, alice, true},
	} {
		p := newProvider()
		cfg := config()
		if test.change != nil {
			test.change(&cfg)
		}
		v, clock := ready(t, p, cfg)
		by, err := v.Verify(p.sign(clock.Now(), nil, test.claims))
		if err != nil || by.User != test.user || by.Service != test.service || by.Any != test.service {
			t.Errorf("%v: %+v, %v", test.claims, by, err)
		}
	}
}

// TestSpellings: whoever has registered with the provider as another one, whose name means the same here by letters that only look alike, is not that one.
func TestSpellings(t *testing.T) {
	for name, want := range map[string]domain.UserID{
		"bo\u017f\u017f@example.test": "", "mar\u212ad@zarafa.com": "", "\ufb01ona@example.test": "",
		"Gro\u00df@example.test": "gross@example.test", "J\u00dcrgen@example.test": "j\u00fcrgen@example.test",
	} {
		p := newProvider()
		v, clock := ready(t, p, config())
		by, err := v.Verify(p.sign(clock.Now(), nil, map[string]any{"email": name}))
		if by.User != want || (want == "") != errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("%s: %+v, %v; want %s", name, by, err, want)
		}
	}
}

func service(c *oidc.Config) { c.ServiceRole = "presence-service" }

// TestAudience: another audience than the board's can be demanded.
func TestAudience(t *testing.T) {
	p := newProvider()
	v, clock := ready(t, p, config(func(c *oidc.Config) { c.Audience = "presence-api" }))
	if _, err := v.Verify(p.sign(clock.Now(), nil, nil)); !errors.Is(err, domain.ErrUnauthenticated) {
		t.Errorf("for the board: %v", err)
	}
	if _, err := v.Verify(p.sign(clock.Now(), nil, map[string]any{"aud": []string{client, "presence-api"}})); err != nil {
		t.Errorf("for the API: %v", err)
	}
}

// TestForm: which tokens are a provider's.
func TestForm(t *testing.T) {
	for token, want := range map[string]bool{
		"eyJhbGciOiJSUzI1NiJ9.e30.c2ln": true, "ewo.e30.x": false, "1415697944:markd@zarafa.com:SLDJ": false, "zpk_eyJh.b.c": false, "": false, "ey": true,
	} {
		if got := oidc.IsToken(token); got != want {
			t.Errorf("IsToken(%q) = %v", token, got)
		}
	}
}

// TestConfig: what is wrong is named by its key.
func TestConfig(t *testing.T) {
	if err := oidc.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for what, change := range map[string]func(*oidc.Config){
		"oidc.issuer: \"login.example.test\"": func(c *oidc.Config) { c.Issuer = "login.example.test" },
		"https:// (http:// only":              func(c *oidc.Config) { c.Issuer = "http://login.example.test" },
		"oidc.issuer: \"https://a:b@":         func(c *oidc.Config) { c.Issuer = "https://a:b@login.example.test" },
		"oidc.client_id: ":                    func(c *oidc.Config) { c.ClientID = "" },
		"oidc.user_claim: ":                   func(c *oidc.Config) { c.UserClaim = "" },
		"oidc.role_claim: ":                   func(c *oidc.Config) { c.RoleClaim, c.ServiceRole = "", "x" },
	} {
		if err := config(change).Validate(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q: %v", what, err)
		}
	}
	for _, local := range []string{"http://localhost:9998/", "http://127.0.0.1:9998", "http://[::1]/x"} {
		if err := config(func(c *oidc.Config) { c.Issuer = local }).Validate(); err != nil {
			t.Errorf("%s: %v", local, err)
		}
	}
}
