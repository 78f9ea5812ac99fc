package command

import (
	"bufio"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
)

// secured makes a connection over TLS, asks once, and returns it with the number of the server's certificate. Without an answer there is no number.
func (r *reloading) secured(t *testing.T) (c *rawConn, serial string) {
	t.Helper()
	plain := r.dial(t, "")
	secure := tls.Client(plain.Conn, &tls.Config{InsecureSkipVerify: true})
	c = &rawConn{secure, bufio.NewReader(secure)}
	if c.asks() != 200 {
		return c, ""
	}
	return c, secure.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// asks asks about a user.
func (c *rawConn) asks() int {
	_, _ = io.WriteString(c, get("/v1/users/"+markd, signed(testSecret, markd, time.Now())))
	return c.answer()
}

// A reload puts other files of TLS into effect at once, for new connections. Those that are there go on. Files that do not fit change nothing.
func TestReloadTLS(t *testing.T) {
	authority, dirs := certtest.NewAuthority(t), []string{t.TempDir(), t.TempDir()}
	files := func(dir string) map[string]string {
		return map[string]string{"http.tls_cert_file": filepath.Join(dir, "cert.pem"), "http.tls_key_file": filepath.Join(dir, "key.pem")}
	}
	for _, dir := range dirs {
		certificate, key := authority.Issue(t, "127.0.0.1")
		certtest.Write(t, dir, certificate, key)
	}
	r := reloads(t, files(dirs[0]))
	old, first := r.secured(t)
	if first == "" {
		t.Fatal("there is no TLS")
	}
	wrong := files(dirs[1])
	wrong["http.tls_key_file"] = filepath.Join(dirs[0], "key.pem")
	if status := r.change(t, wrong); !strings.Contains(status, "reload failed: ") {
		t.Errorf("of a key that does not fit the status is %q", status)
	}
	if _, serial := r.secured(t); serial != first {
		t.Errorf("afterwards the certificate is %s, was %s", serial, first)
	}
	if status := r.change(t, files(dirs[1])); strings.Contains(status, "failed") {
		t.Fatal(status)
	}
	middle, second := r.secured(t)
	if second == first || second == "" {
		t.Errorf("the certificate is %q, was %q", second, first)
	}
	roots := filepath.Join(dirs[0], "clients.pem")
	if err := os.WriteFile(roots, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if status := r.change(t, files(dirs[1]), map[string]string{"http.tls_client_ca_file": roots}); strings.Contains(status, "failed") {
		t.Fatal(status)
	}
	if _, serial := r.secured(t); serial != "" {
		t.Error("a client without a certificate is served")
	}
	if status := old.asks(); status != 200 {
		t.Errorf("on the first connection: %d", status)
	}
	if status := middle.asks(); status != 200 {
		t.Errorf("on the second connection: %d", status)
	}
	log := len(r.stderr.String())
	r.change(t, map[string]string{"http.tls_cert_file": "", "http.tls_key_file": ""})
	if text := r.stderr.String()[log:]; !strings.Contains(text, `its old value holds" key=http.tls_cert_file`) || !strings.Contains(text, "key=http.tls_client_ca_file") {
		t.Errorf("of TLS that is turned off the log says\n%s", text)
	}
	if status := old.asks(); status != 200 {
		t.Errorf("at last: %d", status)
	}
}
