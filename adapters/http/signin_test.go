package http_test

import (
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
)

// TestV1SignIn: a page learns how people sign in, and may send requests to where it fetches tokens, and nowhere else.
func TestV1SignIn(t *testing.T) {
	r := start(t)
	ask := func() (document, policy string) {
		t.Helper()
		got := get(t, r.Server, "GET", "/v1/sign-in")
		if got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%+v", got)
		}
		return got.body, get(t, r.Server, "GET", "/board").header.Get("Content-Security-Policy")
	}
	expect := func(when, want, allowed string) {
		t.Helper()
		document, policy := ask()
		if document != want {
			t.Errorf("%s: %s\nwant %s", when, document, want)
		}
		if !strings.Contains(policy, "; connect-src 'self'"+allowed+"; ") {
			t.Errorf("%s: the policy is %s", when, policy)
		}
	}
	expect("without a provider", `{"user":null,"oidc":null}`, "")
	provider := http.Provider{Issuer: "https://login.example.test/realms/office", ClientID: "board", Audience: "presence", Scope: "openid email"}
	r.SignInBy(func() (http.Provider, bool) { return provider, true })
	const begin = `{"user":null,"oidc":{"issuer":"https://login.example.test/realms/office","client_id":"board","audience":"presence","scope":"openid email",`
	expect("before it has answered", begin+`"authorization_endpoint":null,"token_endpoint":null,"end_session_endpoint":null}}`, "")
	provider.AuthorizationEndpoint, provider.TokenEndpoint = "https://login.example.test/auth", "https://tokens.example.test:8443/token?x"
	expect("when it has", begin+`"authorization_endpoint":"https://login.example.test/auth","token_endpoint":"https://tokens.example.test:8443/token?x","end_session_endpoint":null}}`,
		" https://tokens.example.test:8443")
	for _, path := range []string{"/docs", "/client.js", "/assets/board.js"} {
		if policy := get(t, r.Server, "GET", path).header.Get("Content-Security-Policy"); strings.Contains(policy, "tokens.example.test") {
			t.Errorf("%s may send requests there, too: %s", path, policy)
		}
	}
	if got := get(t, r.Server, "GET", "/v1/sign-in?x"); got.status != 400 {
		t.Errorf("with a query: %d", got.status)
	}
}
