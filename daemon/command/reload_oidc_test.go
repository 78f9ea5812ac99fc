package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zarafa/presence/internal/oidctest"
)

// ofProvider returns what changes each key about an OpenID provider. There is none before.
func ofProvider(t *testing.T, dir string) map[string]keyChange {
	t.Helper()
	provider, secure := oidctest.Start(t), oidctest.StartTLS(t)
	if err := os.WriteFile(filepath.Join(dir, "oidc-ca.pem"), secure.Authority(), 0o600); err != nil {
		t.Fatal(err)
	}
	on := map[string]string{"oidc.issuer": provider.Issuer, "oidc.client_id": oidctest.ClientID}
	alone := func(key string) map[string]string { return map[string]string{key: on[key]} }
	accepts := func(of *oidctest.Provider, claims map[string]any) func(*keyTest) bool {
		return func(k *keyTest) bool {
			token := of.Token(k.T, "alice@example.test", claims)
			return soon(func() bool {
				return k.ask(k.T, token, "GET", "/v1/users/"+markd, "", "Authorization", "Bearer "+token).status == 200
			})
		}
	}
	return map[string]keyChange{
		"oidc.issuer":     {value: provider.Issuer, with: alone("oidc.client_id"), effect: accepts(provider, nil)},
		"oidc.client_id":  {value: "other", with: alone("oidc.issuer"), effect: accepts(provider, map[string]any{"aud": "other"})},
		"oidc.audience":   {value: "other", with: on, effect: accepts(provider, map[string]any{"aud": []string{"account", "other"}})},
		"oidc.user_claim": {value: "upn", with: on, effect: accepts(provider, map[string]any{"email_verified": false, "upn": "alice@example.test"})},
		"oidc.ca_file": {value: "DIR/oidc-ca.pem", with: map[string]string{"oidc.issuer": secure.Issuer, "oidc.client_id": oidctest.ClientID},
			effect: accepts(secure, nil)},
		"oidc.role_claim": {value: "realm_access.roles", with: map[string]string{"oidc.issuer": provider.Issuer, "oidc.client_id": oidctest.ClientID,
			"oidc.service_role": oidctest.ServiceRole}, effect: exports(provider, map[string]any{"realm_access": map[string]any{"roles": []string{oidctest.ServiceRole}}})},
		"oidc.service_role": {value: oidctest.ServiceRole, with: on, effect: exports(provider, map[string]any{"roles": []string{oidctest.ServiceRole}})},
	}
}

// exports reports whether the bearer of a token with some claims is a service.
func exports(provider *oidctest.Provider, claims map[string]any) func(*keyTest) bool {
	return func(k *keyTest) bool {
		token := provider.Token(k.T, "alice@example.test", claims)
		return soon(func() bool {
			return k.ask(k.T, token, "GET", "/v1/export", "", "Authorization", "Bearer "+token).status == 200
		})
	}
}
