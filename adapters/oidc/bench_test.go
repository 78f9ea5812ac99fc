package oidc_test

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify: what a token costs, good or not.
func BenchmarkVerify(b *testing.B) {
	for _, key := range []signingKey{{"one", jwt.SigningMethodRS256, rsaKey()}, {"one", jwt.SigningMethodES256, ecKey()}, {"one", jwt.SigningMethodEdDSA, edKey()}} {
		p := newProvider()
		p.keys = []signingKey{key}
		v, clock := ready(b, p, config())
		good := p.sign(clock.Now(), nil, nil)
		cut := strings.LastIndexByte(good, '.')
		for _, test := range []struct{ name, token string }{
			{"good", good}, {"forged", good[:cut+1] + strings.Repeat("A", len(good)-cut-1)},
			{"unknown key", p.sign(clock.Now(), map[string]any{"kid": "x"}, nil)}, {"garbage", "ey" + strings.Repeat("x", 1000)}, {"huge", "ey" + strings.Repeat("x", 1<<20)},
		} {
			b.Run(key.method.Alg()+"/"+test.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = v.Verify(test.token)
				}
			})
		}
	}
}
