package oidc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/domain"
)

// FuzzVerify: whatever somebody sends, it is refused, without a panic, and the error does not tell it. A token that the provider has not signed is
// never accepted.
func FuzzVerify(f *testing.F) {
	p := newProvider()
	v, clock := ready(f, p, config())
	good := p.sign(clock.Now(), nil, nil)
	parts := strings.Split(good, ".")
	for _, seed := range []string{good, "ey..", parts[0] + "." + parts[1] + ".", parts[0] + ".e30." + parts[2], "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("ey.", 9)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		by, err := v.Verify(token)
		if token == good {
			return
		}
		if !errors.Is(err, domain.ErrUnauthenticated) || by.User != "" {
			t.Fatalf("Verify(%q) = %+v, %v", token, by, err)
		}
		if len(token) > 60 && strings.Contains(err.Error(), token[len(token)-30:]) {
			t.Errorf("the error shows the token: %v", err)
		}
	})
}

// FuzzKeys: whatever a provider says its keys are, reading them ends without a panic, with keys or an error.
func FuzzKeys(f *testing.F) {
	p := newProvider()
	for _, seed := range []string{string(p.keySet()), `{"keys":[{"kty":"RSA","kid":"one","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`, `{"keys":null}`, `[]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := oidc.ParseKeys([]byte(text)); (n == 0) != (err != nil) {
			t.Errorf("%d keys, %v", n, err)
		}
	})
}
