// Package oidc verifies the tokens of an OpenID provider (JSON Web Tokens, RFC 7519), by which people sign in at a site that has one. The
// provider's keys are fetched in the background: no request waits for the network.
//
// verifier.go looks at tokens, claims.go at what is in them, keys.go reads the provider's keys, provider.go asks the provider, and follow.go says
// when. Package http calls Verify through ports.Verifier.
package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// What is larger is refused before anything of it is decoded, in bytes. The largest tokens are those with a list of groups.
const (
	MaxToken  = 16 << 10
	maxHeader = 2 << 10
)

// Verifier verifies the tokens of a provider. It may be used concurrently.
type Verifier struct {
	clock      ports.Clock
	principals ports.Principals
	log        *slog.Logger
	resolver   *net.Resolver
	client     func(context.Context, Config, *net.Resolver) *http.Client

	mu      sync.Mutex // current is stored
	current atomic.Pointer[current]
	wake    chan struct{} // has a token when there is another configuration, or an unknown key
}

// current is what tokens are verified with. It does not change.
type current struct {
	cfg     Config
	skew    time.Duration
	parser  *jwt.Parser
	fetched *fetched // nil: the provider has not answered yet
}

// New makes a verifier that knows no key until Run is called. The skew is how far the clocks of the provider and this machine may differ. Who has
// signed in may do what principals says, and with the service role what a service may.
func New(cfg Config, skew time.Duration, clock ports.Clock, principals ports.Principals, log *slog.Logger) *Verifier {
	v := &Verifier{clock: clock, principals: principals, log: log, resolver: dns.NewResolver(""), client: newClient, wake: make(chan struct{}, 1)}
	v.current.Store(v.rules(cfg, skew))
	return v
}

// Configure has every call that begins later follow another valid configuration. The keys stay if they are of the same provider.
func (v *Verifier) Configure(cfg Config, skew time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, next := v.current.Load(), v.rules(cfg, skew)
	if sameProvider(before.cfg, cfg) {
		next.fetched = before.fetched
	}
	v.current.Store(next)
	v.look()
}

func (v *Verifier) rules(cfg Config, skew time.Duration) *current {
	return &current{cfg: cfg, skew: skew, parser: jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.audience()), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(skew), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return v.clock.Now().Time() }),
	)}
}

// look has Run look whether there is something to do.
func (v *Verifier) look() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// Provider returns where people sign in, or nothing if no provider is configured.
func (v *Verifier) Provider() (Provider, bool) {
	now := v.current.Load()
	p := Provider{Issuer: now.cfg.Issuer, ClientID: now.cfg.ClientID, Audience: now.cfg.audience(), Scope: "openid email profile"}
	if f := now.fetched; f != nil {
		p.AuthorizationEndpoint, p.TokenEndpoint = f.metadata.AuthorizationEndpoint, f.metadata.TokenEndpoint
		p.EndSessionEndpoint = f.metadata.EndSessionEndpoint
		if slices.Contains(f.metadata.ScopesSupported, "offline_access") {
			p.Scope += " offline_access"
		}
	}
	return p, now.cfg.Issuer != ""
}

// IsToken reports whether a text has the form of a token of a provider, as opposed to those of this daemon: it begins with a JSON object in
// base64url.
func IsToken(text string) bool {
	return strings.HasPrefix(text, "ey") && strings.IndexByte(text, ':') < 0
}

// Verify returns who a token speaks for. What is refused most often, by whoever tries tokens of their own, is refused first: by its size, its header,
// and its key.
func (v *Verifier) Verify(token string) (domain.Principal, error) {
	now := v.current.Load()
	if now.cfg.Issuer == "" {
		return domain.Principal{}, refused("it is one of an OpenID provider, and none is configured (oidc.issuer)")
	}
	id, err := keyID(token)
	if err != nil {
		return domain.Principal{}, err
	}
	if now.fetched == nil {
		return domain.Principal{}, fmt.Errorf("%w: the OpenID provider has not answered yet", ports.ErrUnverifiable)
	}
	with, known := now.fetched.keys.find(id)
	if !known {
		return domain.Principal{}, v.unknown(now.fetched)
	}
	claims := jwt.MapClaims{}
	_, err = now.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if with.algorithm != "" && with.algorithm != t.Method.Alg() {
			return nil, jwt.ErrTokenSignatureInvalid
		}
		return with.public, nil
	})
	if err != nil {
		return domain.Principal{}, refused(now.explain(err, claims))
	}
	return now.principal(claims, v.principals)
}

// principal returns who the claims of a genuine token are about.
func (c *current) principal(claims jwt.MapClaims, principals ports.Principals) (domain.Principal, error) {
	user, err := userOf(claims, c.cfg.UserClaim)
	if err != nil {
		return domain.Principal{}, fmt.Errorf("%w: %w", domain.ErrUnauthenticated, err)
	}
	by := principals.Principal(user)
	if hasRole(claims, c.cfg.RoleClaim, c.cfg.ServiceRole) {
		by.Service, by.Any = true, true
	}
	by.Until = endOf(claims, c.skew)
	return by, nil
}

// unknown is the error for a token that is signed with a key that was not known when the keys were fetched. They are fetched again, but not more
// often than unknownPause. If that was just now the key is nobody's.
func (v *Verifier) unknown(f *fetched) error {
	v.look()
	if time.Duration(v.clock.Now()-f.at) < unknownPause {
		return refused("it is signed with a key that the provider does not have")
	}
	return fmt.Errorf("%w: its key is not known yet; the provider's keys are being fetched", ports.ErrUnverifiable)
}

// keyID returns the id of the key by which a token is signed, if its outer form is that of a token, and its header says nothing that is not
// understood.
func keyID(token string) (string, error) {
	if len(token) > MaxToken {
		return "", refused("it is too large")
	}
	part, rest, _ := strings.Cut(token, ".")
	if len(part) > maxHeader || strings.Count(rest, ".") != 1 {
		return "", refused("it is malformed, or its header is too large")
	}
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", refused("it is malformed")
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return "", refused("its header is malformed")
	}
	return h.Kid, h.check()
}

// header is what is looked at of a token's header (RFC 7515, section 4.1). Where it says that keys are to be found is of no interest.
type header struct {
	Alg  string          `json:"alg"`
	Kid  string          `json:"kid"`
	Typ  string          `json:"typ"`
	Crit json.RawMessage `json:"crit"`
}

func (h header) check() error {
	switch {
	case !slices.Contains(algorithms, h.Alg):
		return refused("its algorithm is none of " + strings.Join(algorithms, ", "))
	case !slices.Contains([]string{"", "jwt", "at+jwt", "application/at+jwt"}, strings.ToLower(h.Typ)):
		return refused("its type (typ) is neither JWT nor at+jwt")
	case h.Crit != nil:
		return refused("its header demands what this daemon does not know (crit)")
	}
	return nil
}

func refused(why string) error {
	return fmt.Errorf("%w: the token is not accepted: %s", domain.ErrUnauthenticated, why)
}

// explain says in a sentence why the library refuses a token, without repeating any of it that its provider has not signed.
func (c *current) explain(err error, claims jwt.MapClaims) string {
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "it is forged"
	case errors.Is(err, jwt.ErrTokenExpired):
		end, _ := claims.GetExpirationTime()
		return "it has expired: its end was " + end.UTC().Format(time.RFC3339)
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "it is dated in the future: compare the clocks"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return fmt.Sprintf("its audience is not %q (oidc.audience)", c.cfg.audience())
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return fmt.Sprintf("its issuer is not %q (oidc.issuer)", c.cfg.Issuer)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "it lacks a claim: it needs exp, iss and aud"
	}
	return "it is malformed"
}
