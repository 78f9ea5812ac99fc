package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
)

// macSize is the length of a token's mac: the base64 form, with padding, of the 32 bytes of an HMAC-SHA256.
const macSize = (sha256.Size + 2) / 3 * 4

// signer computes macs with every secret. It is not to be used concurrently.
type signer struct {
	hashes []hash.Hash // keyed, one for each secret, the current one first
	sum    [sha256.Size]byte
	text   []byte
	given  [macSize]byte // the mac of the token that is being verified
	mac    [macSize]byte
}

// sign returns the mac that the i-th secret makes. It is overwritten by the next call.
func (s *signer) sign(i int, signed string) []byte {
	h := s.hashes[i]
	h.Reset()
	s.text = append(s.text[:0], signed...) // h cannot take a string, and what it is handed must live on the heap
	h.Write(s.text)
	base64.StdEncoding.Encode(s.mac[:], h.Sum(s.sum[:0]))
	for i, c := range s.mac {
		s.mac[i] = c &^ (c >> 1 & 0x20) // upper case: only letters have bit 0x40. No branch depends on the secret mac
	}
	return s.mac[:]
}

func newSigner(secrets []string) *signer {
	s := &signer{text: make([]byte, 0, MaxToken)}
	for _, secret := range secrets {
		s.hashes = append(s.hashes, hmac.New(sha256.New, []byte(secret)))
	}
	return s
}
