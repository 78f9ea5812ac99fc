package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
)

// algorithms are those that are accepted: all that the library has whose keys are not secret. With a key that both sides know (HS256) everybody who
// knows a public key could sign.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

const (
	maxKeys    = 100 // of a provider
	minRSABits = 2048
	maxRSABits = 8192
)

// key is a public key of the provider.
type key struct {
	public    crypto.PublicKey
	algorithm string // the only one that it is for; empty: all that it can be used with
}

// keySet are the provider's keys, by their ids. It does not change.
type keySet map[string]key

// parseKeys reads a JWK Set (RFC 7517). Keys that this daemon does not understand, or that are not for signatures, are left out (section 5). It is an
// error if none is left.
func parseKeys(text []byte) (keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("the provider's keys are no JWK Set: %w", err)
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("the provider has %d keys; at most %d are read", len(document.Keys), maxKeys)
	}
	keys := keySet{}
	for _, one := range document.Keys {
		read, err := jwkset.NewJWKFromRawJSON(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil {
			continue
		}
		about := read.Marshal()
		if about.USE != jwkset.UseEnc && fit(read.Key()) {
			keys[about.KID] = key{public: read.Key(), algorithm: about.ALG.String()}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the provider has no public key for signatures that could be used")
	}
	return keys, nil
}

// fit reports whether a key is public, and of a kind and size that signatures are verified with.
func fit(public any) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// find returns the key with an id. A token that names none is signed with the only key, or with none.
func (s keySet) find(id string) (key, bool) {
	if id == "" && len(s) == 1 {
		for _, only := range s {
			return only, true
		}
	}
	found, ok := s[id]
	return found, ok
}
