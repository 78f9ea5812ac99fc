package oidc

import "net/http"

// Through has a verifier, before Run, ask its provider through another transport than the network.
func (v *Verifier) Through(transport http.RoundTripper) {
	v.client = func(Config) *http.Client {
		return &http.Client{Transport: transport, CheckRedirect: newClient(Config{}).CheckRedirect}
	}
}

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
