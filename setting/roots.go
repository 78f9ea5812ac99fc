package setting

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// maxRoots is the largest file of certificates that is read, in bytes. Those that a system trusts have a quarter of a megabyte.
const maxRoots = 4 << 20

// Roots are the certificates that a client trusts, read from a PEM file. The zero Roots are those of the system.
type Roots struct {
	File string         // its name, empty for the system's
	Pool *x509.CertPool // for tls.Config.RootCAs; nil for the system's
}

// ReadRoots reads a PEM file. Its error names the file. An empty name gives the system's certificates.
func ReadRoots(file string) (Roots, error) {
	if file == "" {
		return Roots{}, nil
	}
	text, err := ReadFile(file, maxRoots)
	if err != nil {
		return Roots{}, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return Roots{}, fmt.Errorf("%s: it has no PEM certificate", file)
	}
	return Roots{File: file, Pool: pool}, nil
}

// String returns the file's name.
func (r Roots) String() string { return r.File }

// MarshalText implements encoding.TextMarshaler with the file's name.
func (r Roots) MarshalText() ([]byte, error) { return []byte(r.File), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it reads the file that the text names.
func (r *Roots) UnmarshalText(text []byte) error {
	roots, err := ReadRoots(string(text))
	if err == nil {
		*r = roots
	}
	return err
}

// ClientTLS returns the TLS of a client that trusts these certificates, of version 1.2 or later. The server's has to be for serverName; empty: the
// host that the client dials, if whoever dials fills it in. With insecure any certificate is accepted: an administrator who asks for that is to be
// warned.
func (r Roots) ClientTLS(serverName string, insecure bool) *tls.Config {
	return &tls.Config{
		ServerName: serverName, RootCAs: r.Pool, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: insecure, //nolint:gosec // the administrator asked for it, and is warned
	}
}

// Equal reports whether two Roots are the same certificates, of files of the same name.
func (r Roots) Equal(other Roots) bool {
	return r.File == other.File && (r.Pool == other.Pool || r.Pool != nil && other.Pool != nil && r.Pool.Equal(other.Pool))
}
