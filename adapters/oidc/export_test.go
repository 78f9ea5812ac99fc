package oidc

import (
	"context"
	"net"
	"net/http"
)

// Through has a verifier, before Run, ask its provider through another transport than the network.
func (v *Verifier) Through(transport http.RoundTripper) {
	v.client = func(ctx context.Context, cfg Config, resolver *net.Resolver) *http.Client {
		return &http.Client{Transport: transport, CheckRedirect: newClient(ctx, cfg, resolver).CheckRedirect}
	}
}

// Resolve has a verifier, before Run, resolve names by another resolver.
func (v *Verifier) Resolve(by *net.Resolver) { v.resolver = by }

// What a test may want to know.
const (
	RefreshEvery = refreshEvery
	UnknownPause = unknownPause
	MaxDocument  = maxDocument
)

// ParseKeys reads a JWK Set, and returns how many keys of it can be used.
func ParseKeys(text []byte) (int, error) {
	keys, err := parseKeys(text)
	return len(keys), err
}
