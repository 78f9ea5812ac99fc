package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

const (
	issuer = "https://login.example.test/realms/office"
	client = "presence-board"
	skew   = 30 * time.Second

	alice domain.UserID = "alice@example.test"
)

// provider is an OpenID provider that answers in memory, and signs what a test wants.
type provider struct {
	mu       sync.Mutex
	issuer   string
	keys     []signingKey
	extra    []json.RawMessage // further keys in its set
	answers  map[string]string // instead of what it would say, by path
	down     bool
	requests int // of the keys
}

// signingKey is a key of a provider.
type signingKey struct {
	id      string
	method  jwt.SigningMethod
	private crypto.Signer
}

// The keys take long to make, so there is one of each kind for all tests.
var (
	rsaKey     = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	anotherRSA = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey      = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey      = sync.OnceValue(func() crypto.Signer { _, private, err := ed25519.GenerateKey(rand.Reader); return must(private, err) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newProvider() *provider {
	return &provider{issuer: issuer, answers: map[string]string{}, keys: []signingKey{{"one", jwt.SigningMethodRS256, rsaKey()}}}
}

// RoundTrip answers a request of the verifier.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, errors.New("no route to host")
	}
	status, text := http.StatusOK, ""
	switch path := strings.TrimPrefix(r.URL.String(), p.issuer); path {
	case "/.well-known/openid-configuration":
		text = string(must(json.Marshal(map[string]any{
			"issuer": p.issuer, "jwks_uri": p.issuer + "/keys", "authorization_endpoint": p.issuer + "/auth", "token_endpoint": p.issuer + "/token",
			"end_session_endpoint": p.issuer + "/logout", "scopes_supported": []string{"openid", "offline_access"},
		})))
	case "/keys":
		p.requests++
		text = string(p.keySet())
	default:
		status = http.StatusNotFound
	}
	if answer, ok := p.answers[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/'):]]; ok {
		text = answer
	}
	header := http.Header{}
	if location, moved := strings.CutPrefix(text, "moved to "); moved {
		status = http.StatusFound
		header.Set("Location", location)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (p *provider) keySet() []byte {
	keys := append([]json.RawMessage{}, p.extra...)
	for _, k := range p.keys {
		keys = append(keys, jwk(k.id, k.method.Alg(), jwkset.UseSig, k.private.Public()))
	}
	return must(json.Marshal(map[string]any{"keys": keys}))
}

func jwk(id, algorithm string, use jwkset.USE, key any) json.RawMessage {
	made := must(jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id, ALG: jwkset.ALG(algorithm), USE: use},
		Marshal: jwkset.JWKMarshalOptions{Private: true}}))
	return must(json.Marshal(made.Marshal()))
}

// change changes the provider while it serves.
func (p *provider) change(change func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *provider) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// sign makes a token with the provider's last key. The header and the claims are those of a good token, but for what is given; nil takes one out.
func (p *provider) sign(at domain.Timestamp, header, claims map[string]any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[len(p.keys)-1].sign(at, header, claims)
}

func (k signingKey) sign(at domain.Timestamp, header, claims map[string]any) string {
	seconds := int64(at) / int64(time.Second)
	token := jwt.NewWithClaims(k.method, jwt.MapClaims{"iss": issuer, "aud": client, "sub": "4711", "iat": seconds, "exp": seconds + 300,
		"email": string(alice), "email_verified": true})
	token.Header["kid"] = k.id
	replace(token.Header, header)
	replace(token.Claims.(jwt.MapClaims), claims)
	text := must(token.SigningString())
	return text + "." + token.EncodeSegment(must(k.method.Sign(text, k.private)))
}

func replace(in, by map[string]any) {
	maps.Copy(in, by)
	maps.DeleteFunc(in, func(_ string, value any) bool { return value == nil })
}

// principals gives everybody what a user has, and the boss what a service has.
type principals struct{}

func (principals) Principal(user domain.UserID) domain.Principal {
	return domain.Principal{User: user, Service: user == "boss@example.test", Any: user == "boss@example.test", Until: 1}
}

func config(changes ...func(*oidc.Config)) oidc.Config {
	cfg := oidc.DefaultConfig()
	cfg.Issuer, cfg.ClientID = issuer, client
	for _, change := range changes {
		change(&cfg)
	}
	return cfg
}

// start runs a verifier until the test ends.
func start(t testing.TB, p *provider, cfg oidc.Config, clock ports.Clock, log *slog.Logger) *oidc.Verifier {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	v := oidc.New(cfg, skew, clock, principals{}, log)
	v.Through(p)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { v.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return v
}

// ready is start, and waits until the keys are known.
func ready(t testing.TB, p *provider, cfg oidc.Config) (*oidc.Verifier, *portstest.SetClock) {
	t.Helper()
	clock := portstest.NewSetClock()
	v := start(t, p, cfg, clock, slog.New(slog.DiscardHandler))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if about, _ := v.Provider(); about.TokenEndpoint != "" {
			return v, clock
		}
		if time.Now().After(deadline) {
			t.Fatal("the keys were not fetched")
		}
	}
}
