package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// nameIn returns a name that the first certificate of a PEM text is for.
func nameIn(text []byte) (string, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return "", errors.New("it has no PEM certificate")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return "", err
		case len(leaf.DNSNames) > 0:
			return strings.Replace(leaf.DNSNames[0], "*", "presence", 1), nil
		case len(leaf.IPAddresses) > 0:
			return leaf.IPAddresses[0].String(), nil
		}
		return "", errors.New("the certificate is for no name: it needs a subjectAltName")
	}
}
