package command

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
)

// A daemon that has TLS shows the certificate of other files, and asks for those of clients, as soon as it has reloaded. It keeps TLS until the next
// start.
func TestReloadOfTLS(t *testing.T) {
	authority, dir := certtest.NewAuthority(t), t.TempDir()
	files := func(host string) (certificate, key string) {
		t.Helper()
		folder := filepath.Join(dir, host)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		text, private := authority.Issue(t, host)
		return certtest.Write(t, folder, text, private)
	}
	oldCert, oldKey := files("old.example.test")
	newCert, newKey := files("new.example.test")
	roots := write(t, "ca.pem", string(authority.PEM))
	r := reloads(t, map[string]string{"http.tls_cert_file": oldCert, "http.tls_key_file": oldKey})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority.PEM)
	// shows is the result of a request of somebody who expects a host.
	shows := func(host string) error {
		at := strings.TrimSuffix(strings.TrimPrefix(r.url, "https://"), "/")
		conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: trusted, ServerName: host, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	if err := shows("old.example.test"); err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"http.tls_cert_file": newCert, "http.tls_key_file": newKey}
	if status := r.change(t, other); strings.Contains(status, "failed") {
		t.Fatal(status)
	}
	if err := shows("new.example.test"); err != nil {
		t.Errorf("after the change: %v", err)
	}
	if status := r.change(t, other, map[string]string{"http.tls_client_ca_file": roots}); strings.Contains(status, "failed") {
		t.Fatal(status)
	}
	if err := shows("new.example.test"); err == nil {
		t.Error("a client without a certificate is served")
	}
	if status := r.change(t, other, map[string]string{"http.tls_key_file": oldKey}); !strings.Contains(status, "failed") {
		t.Errorf("a key of another certificate: %s", status)
	}
	if status := r.change(t, map[string]string{"http.tls_cert_file": "", "http.tls_key_file": ""}); strings.Contains(status, "failed") {
		t.Fatal(status)
	}
	if text := r.stderr.String(); !strings.Contains(text, "its old value holds\" key=http.tls_cert_file\n") {
		t.Errorf("that TLS stays until the next start is not told:\n%s", text)
	}
	if err := shows("new.example.test"); err != nil && !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("at the end: %v", err)
	}
}
