// Package certtest makes certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TB is what is needed of *testing.T and *testing.B.
type TB interface {
	Helper()
	Fatal(args ...any)
}

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

// Issue makes a server certificate for some hosts, which are names or addresses, valid for a day, and returns it and its key as PEM.
func (a *Authority) Issue(t TB, hosts ...string) (certificate, key []byte) {
	t.Helper()
	wanted := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			wanted.IPAddresses = append(wanted.IPAddresses, ip)
		} else {
			wanted.DNSNames = append(wanted.DNSNames, host)
		}
	}
	return a.issue(t, wanted, hosts[0])
}

// IssueClient makes a certificate for a client, like Issue.
func (a *Authority) IssueClient(t TB, name string) (certificate, key []byte) {
	t.Helper()
	return a.issue(t, &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, name)
}

// Write writes a certificate and its key into cert.pem and key.pem of a folder, and returns their names.
func Write(t TB, dir string, certificate, key []byte) (certificateFile, keyFile string) {
	t.Helper()
	certificateFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string][]byte{certificateFile: certificate, keyFile: key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificateFile, keyFile
}

func (a *Authority) issue(t TB, wanted *x509.Certificate, name string) (certificate, key []byte) {
	t.Helper()
	private := newKey(t)
	certificate = a.sign(t, wanted, name, private)
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
