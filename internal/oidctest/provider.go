// Package oidctest runs a real OpenID provider for tests, in the process of the test: zitadel/oidc, with accounts, clients and keys that the test
// decides on.
//
//	provider := oidctest.Start(t, daemon.URL+"board")
//	token := provider.Token(t, "alice@example.test", nil)
package oidctest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// ClientID is what the provider calls the board.
const ClientID = "presence-board"

// ServiceRole is the role of those that Provider.Services lists.
const ServiceRole = "presence-service"

// Password is everybody's.
const Password = "correct horse"

// Provider is a running provider. Everybody who has an address at example.test has an account. Its methods may be called concurrently.
type Provider struct {
	Issuer string

	store  *store
	server *httptest.Server

	down      atomic.Bool
	lifetime  atomic.Int64 // of tokens
	refreshes atomic.Int32
	fetches   atomic.Int32

	mu       sync.Mutex
	key      *signingKey
	services []string
	redirect []string
}

// Start starts a provider that sends people back to some addresses. It ends with the test.
func Start(t testing.TB, redirect ...string) *Provider {
	return start(t, httptest.NewServer, redirect)
}

// StartTLS starts a provider with TLS, and a certificate that nobody trusts.
func StartTLS(t testing.TB) *Provider { return start(t, httptest.NewTLSServer, nil) }

func start(t testing.TB, serve func(http.Handler) *httptest.Server, redirect []string) *Provider {
	t.Helper()
	p := &Provider{redirect: redirect}
	p.lifetime.Store(int64(5 * time.Minute))
	p.Rotate(t)
	var handler http.Handler
	p.server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.URL.Path == "/keys":
			p.fetches.Add(1)
		case r.URL.Path == "/oauth/token":
			if _ = r.ParseForm(); r.PostForm.Get("grant_type") == "refresh_token" {
				p.refreshes.Add(1)
			}
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	p.Issuer = p.server.URL
	p.store = &store{Storage: storage.NewStorageWithClients(accounts{}, nil), provider: p}
	config := &op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true, SupportedScopes: []string{"openid", "email", "profile", "offline_access"}}
	_, _ = rand.Read(config.CryptoKey[:])
	provider, err := op.NewProvider(config, p.store, op.StaticIssuer(p.Issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.login(w, r, op.AuthCallbackURL(provider))
	})))
	mux.HandleFunc("/logged-out", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "signed out") })
	mux.Handle("/", provider)
	handler = mux
	return p
}

// SetDown has the provider answer nothing but 503, or work again.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// SetLifetime sets how long the tokens hold that are made from now on.
func (p *Provider) SetLifetime(d time.Duration) { p.lifetime.Store(int64(d)) }

// EndSession ends what a user has begun: no refresh token of the user works afterwards.
func (p *Provider) EndSession(t testing.TB, user string) {
	t.Helper()
	if err := p.store.TerminateSession(t.Context(), user, ClientID); err != nil {
		t.Fatal(err)
	}
}

// SetServices says who has ServiceRole.
func (p *Provider) SetServices(users ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.services = users
}

// Authority returns the certificate of the authority of a provider with TLS, in PEM.
func (p *Provider) Authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// SetRedirect says to which addresses the provider sends people back.
func (p *Provider) SetRedirect(addresses ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirect = addresses
}

// Refreshes is how often a refresh token was used.
func (p *Provider) Refreshes() int { return int(p.refreshes.Load()) }

// Fetches is how often the keys were asked for.
func (p *Provider) Fetches() int { return int(p.fetches.Load()) }

// Rotate has the provider sign with a new key from now on. The old one is gone.
func (p *Provider) Rotate(t testing.TB) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = &signingKey{id: rand.Text(), private: private}
}

// Token makes a token for a user, as the provider would, with other claims if some are given.
func (p *Provider) Token(t testing.TB, user string, claims map[string]any) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	all := jwt.MapClaims{
		"iss": p.Issuer, "aud": ClientID, "sub": user, "email": user, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(time.Duration(p.lifetime.Load())).Unix(),
	}
	maps.Copy(all, claims)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, all)
	token.Header["kid"] = p.key.id
	text, err := token.SignedString(p.key.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var loginPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title><link rel="icon" href="data:,">
<form method="post"><input type="hidden" name="id" value="{{.}}"><label>Account <input id="username" name="username" autofocus></label>
<label>Password <input id="password" name="password" type="password"></label><button id="submit">Sign in</button></form>`))

// login is where people say who they are.
func (p *Provider) login(w http.ResponseWriter, r *http.Request, callback func(ctx context.Context, id string) string) {
	id := r.FormValue("id")
	if r.Method == http.MethodPost {
		if err := p.store.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err == nil {
			http.Redirect(w, r, callback(r.Context(), id), http.StatusFound)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html")
	_ = loginPage.Execute(w, id)
}

// accounts are everybody at example.test.
type accounts struct{}

func (accounts) GetUserByID(id string) *storage.User {
	name, ok := strings.CutSuffix(id, "@example.test")
	if !ok {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: Password, FirstName: name, Email: id, EmailVerified: true}
}

func (a accounts) GetUserByUsername(name string) *storage.User { return a.GetUserByID(name) }
func (accounts) ExampleClientID() string                       { return "" }

// signingKey is the private key of the provider.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func (*signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k *signingKey) Key() any                                  { return k.private }
func (k *signingKey) ID() string                                { return k.id }

// publicKey is the public part of a signingKey.
type publicKey struct{ *signingKey }

func (publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                         { return &k.private.PublicKey }
