package oidctest

import (
	"context"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// store is what the provider keeps: that of zitadel's example, with keys, clients, claims and lifetimes of the test.
type store struct {
	*storage.Storage
	provider *Provider
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	return s.provider.key, nil
}

func (*store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) {
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	return []op.Key{publicKey{s.provider.key}}, nil
}

func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != ClientID {
		return nil, oidc.ErrInvalidClient()
	}
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	return board{Client: storage.NativeClient(id, s.provider.redirect...), provider: s.provider}, nil
}

func (s *store) end() time.Time { return time.Now().Add(time.Duration(s.provider.lifetime.Load())) }

func (s *store) CreateAccessToken(ctx context.Context, request op.TokenRequest) (string, time.Time, error) {
	id, _, err := s.Storage.CreateAccessToken(ctx, request)
	return id, s.end(), err
}

func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (access, refresh string, end time.Time, err error) {
	access, refresh, _, err = s.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	return access, refresh, s.end(), err
}

// GetPrivateClaimsFromScopes are the claims of an access token that are not the protocol's own.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	claims := map[string]any{"email": user, "email_verified": true}
	if slices.Contains(s.provider.services, user) {
		claims["roles"] = []string{"staff", ServiceRole}
	}
	return claims, nil
}

// board is the board as the provider knows it: a public client with PKCE, whose access tokens are JWTs.
type board struct {
	*storage.Client
	provider *Provider
}

func (board) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (board) LoginURL(id string) string            { return "/login?id=" + id }
func (b board) PostLogoutRedirectURIs() []string   { return b.RedirectURIs() }
func (b board) IDTokenLifetime() time.Duration     { return time.Duration(b.provider.lifetime.Load()) }
func (board) IDTokenUserinfoClaimsAssertion() bool { return true }
