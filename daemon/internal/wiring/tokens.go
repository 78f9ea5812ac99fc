package wiring

import (
	"log/slog"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// tokens are all that the daemon accepts: its own, its static keys, and those of an OpenID provider. A token's form says who verifies it.
type tokens struct {
	*auth.Tokens
	provider *oidc.Verifier
}

func newTokens(own *auth.Tokens, provider *oidc.Verifier) ports.Tokens { return tokens{own, provider} }

// Verify returns for which principal a token speaks.
func (t tokens) Verify(token string) (domain.Principal, error) {
	if oidc.IsToken(token) {
		return t.provider.Verify(token)
	}
	return t.Tokens.Verify(token)
}

// signInBy has the server tell pages of the provider by which people sign in.
func signInBy(server *http.Server, verifier *oidc.Verifier) {
	server.SignInBy(func() (http.Provider, bool) {
		provider, on := verifier.Provider()
		return http.Provider(provider), on
	})
}

func newVerifier(s *Settings, clock ports.Clock, principals ports.Principals, log *slog.Logger) *oidc.Verifier {
	return oidc.New(s.OIDC, s.Auth.ClockSkew, clock, principals, log)
}
