package xmpptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"
)

// Authority is a certificate authority for tests.
type Authority struct {
	PEM         []byte // its certificate
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes a new authority, which no system trusts.
func NewAuthority(t TB) *Authority {
	t.Helper()
	a := &Authority{certificate: &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key: newKey(t)}
	a.PEM = a.sign(t, a.certificate, "Test authority", a.key)
	return a
}

// Issue makes a server certificate for a host, valid for a day, and returns it and its key as PEM.
func (a *Authority) Issue(t TB, host string) (certificate, key []byte) {
	t.Helper()
	private := newKey(t)
	certificate = a.sign(t, &x509.Certificate{
		DNSNames:    []string{host},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, host, private)
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

// sign completes a certificate for a name and a key, signs it, and returns it as PEM.
func (a *Authority) sign(t TB, wanted *x509.Certificate, name string, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	wanted.SerialNumber, wanted.Subject.CommonName = big.NewInt(time.Now().UnixNano()), name
	wanted.NotBefore, wanted.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, wanted, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newKey(t TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
