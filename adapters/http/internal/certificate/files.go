// Package certificate reads the files of a listener's TLS, and reads them again when they change.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/zarafa/presence/setting"
)

// maxFile is the largest file that is read, in bytes. The certificates that a system trusts have a quarter of a megabyte.
const maxFile = 4 << 20

// Files names the PEM files of a listener: its certificate with those between it and the authority's, the key, and the certificates of the
// authorities that sign those of clients. Without a ClientCA clients need none.
type Files struct {
	Certificate, Key, ClientCA string
}

// On reports whether there is to be TLS.
func (f Files) On() bool { return f.Certificate != "" }

// Validate says what is missing, or wrong with what the files hold. It returns every fault, each naming its key.
func (f Files) Validate() error {
	var faults []error
	for _, needs := range []struct{ key, value, other, otherKey string }{
		{"http.tls_cert_file", f.Certificate, f.Key, "http.tls_key_file"},
		{"http.tls_key_file", f.Key, f.Certificate, "http.tls_cert_file"},
		{"http.tls_client_ca_file", f.ClientCA, f.Certificate, "http.tls_cert_file"},
	} {
		if needs.value != "" && needs.other == "" {
			faults = append(faults, fmt.Errorf("%s: needs %s", needs.key, needs.otherKey))
		}
	}
	if f.Certificate != "" && f.Key != "" {
		_, err := f.Load()
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Load reads the files.
func (f Files) Load() (*tls.Config, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	return f.parse(text)
}

// content is what the files hold.
type content struct{ certificate, key, clientCA string }

func (f Files) read() (text content, err error) {
	var faults []error
	for _, file := range []struct {
		key, name string
		into      *string
	}{
		{"http.tls_cert_file", f.Certificate, &text.certificate},
		{"http.tls_key_file", f.Key, &text.key},
		{"http.tls_client_ca_file", f.ClientCA, &text.clientCA},
	} {
		if file.name == "" {
			continue
		}
		read, err := setting.ReadFile(file.name, maxFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file.key, err))
		}
		*file.into = string(read)
	}
	return text, errors.Join(faults...)
}

// parse makes a configuration, which has keys for session tickets of its own: what was agreed upon with an earlier one does not count any more.
func (f Files) parse(text content) (*tls.Config, error) {
	pair, err := tls.X509KeyPair([]byte(text.certificate), []byte(text.key))
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), "tls: ")
		return nil, fmt.Errorf("http.tls_cert_file, http.tls_key_file: %s and %s: %s", f.Certificate, f.Key, reason)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},

		DynamicRecordSizingDisabled: true, // which costs system calls
	}
	if f.ClientCA != "" {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM([]byte(text.clientCA)) {
			return nil, fmt.Errorf("http.tls_client_ca_file: %s: it has no PEM certificate", f.ClientCA)
		}
	}
	return config, nil
}

// ForClients returns with which settings clients on this machine reach the listener, whatever address they use: they expect the certificate's name,
// and trust the certificate beside those that the system trusts.
func (f Files) ForClients() (*tls.Config, error) {
	text, err := setting.ReadFile(f.Certificate, maxFile)
	if err != nil {
		return nil, fmt.Errorf("http.tls_cert_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(text)
	name, err := nameIn(text)
	if err != nil {
		return nil, fmt.Errorf("http.tls_cert_file: %s: %w", f.Certificate, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: name}, nil
}
