package certificate_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/http/internal/certificate"
	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/syncbuffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "presence.example.test"

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFaults(t *testing.T) {
	authority := certtest.NewAuthority(t)
	dir := t.TempDir()
	cert, key := certtest.Write(t, dir, first(authority.Issue(t, host)), second(authority.Issue(t, host)))
	good, goodKey := authority.Issue(t, host)
	both := write(t, filepath.Join(dir, "both.pem"), append(good, goodKey...))
	junk := write(t, filepath.Join(dir, "junk.pem"), []byte("junk"))
	tests := []struct {
		files certificate.Files
		want  string // all the lines; empty: it is fine
	}{
		{certificate.Files{}, ""},
		{certificate.Files{Certificate: both, Key: both, ClientCA: both}, ""},
		{certificate.Files{Certificate: both}, "http.tls_cert_file: needs http.tls_key_file"},
		{certificate.Files{Key: both}, "http.tls_key_file: needs http.tls_cert_file"},
		{certificate.Files{ClientCA: both}, "http.tls_client_ca_file: needs http.tls_cert_file"},
		{certificate.Files{Certificate: "/missing", Key: "/missing2"}, "http.tls_cert_file: open /missing: no such file or directory\n" +
			"http.tls_key_file: open /missing2: no such file or directory"},
		{certificate.Files{Certificate: cert, Key: key}, "http.tls_cert_file, http.tls_key_file: " + cert + " and " + key + ": private key does not match public key"},
		{certificate.Files{Certificate: junk, Key: key}, "http.tls_cert_file, http.tls_key_file: " + junk + " and " + key + ": failed to find any PEM data in certificate input"},
		{certificate.Files{Certificate: both, Key: both, ClientCA: junk}, "http.tls_client_ca_file: " + junk + ": it has no PEM certificate"},
	}
	for _, test := range tests {
		err := test.files.Validate()
		if got := message(err); got != test.want {
			t.Errorf("%+v\n%s\nwant\n%s", test.files, got, test.want)
		}
	}
}

func first(certificate, _ []byte) []byte { return certificate }
func second(_, key []byte) []byte        { return key }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// watched is a pair of files that is looked at, in fake time.
type watched struct {
	*certificate.Current
	t         *testing.T
	authority *certtest.Authority
	files     certificate.Files
	log       syncbuffer.Buffer
}

// take reads files, and puts them into use.
func (w *watched) take(files certificate.Files) error {
	apply, err := w.Prepare(files)
	if err == nil {
		apply()
	}
	return err
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, authority: certtest.NewAuthority(t)}
	cert, key := w.authority.Issue(t, host)
	w.files.Certificate, w.files.Key = certtest.Write(t, t.TempDir(), cert, key)
	var err error
	if w.Current, err = certificate.Read(w.files, slog.New(slog.NewTextHandler(&w.log, nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

func (w *watched) pass(looks int) {
	time.Sleep(time.Duration(looks)*certificate.Period + time.Millisecond)
	synctest.Wait()
}

// faults counts the lines of the log that are errors.
func (w *watched) faults() int { return strings.Count(w.log.String(), "level=ERROR") }

// The two files cannot be replaced in one step. Whatever comes first, however long it takes, one certificate of the two is in use.
func TestOneAfterTheOther(t *testing.T) {
	for name, order := range map[string][]int{"certificate first": {0, 1}, "key first": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				old := w.Config()
				cert, key := w.authority.Issue(t, host)
				names, texts := []string{w.files.Certificate, w.files.Key}, [][]byte{cert, key}
				write(t, names[order[0]], texts[order[0]])
				w.pass(1)
				if w.Config() != old || w.faults() != 0 {
					t.Errorf("half way:\n%s", w.log.String())
				}
				write(t, names[order[1]], texts[order[1]])
				w.pass(1)
				if w.Config() == old || w.faults() != 0 {
					t.Errorf("in the end the old one is in use:\n%s", w.log.String())
				}
				now := w.Config()
				w.pass(5)
				if w.Config() != now || strings.Count(w.log.String(), "in use") != 2 {
					t.Errorf("later, although nothing changes:\n%s", w.log.String())
				}
			})
		})
	}
}

// What stays wrong is said once, and the old certificate stays in use until it is right.
func TestBrokenFiles(t *testing.T) {
	for name, damage := range map[string]func(w *watched){
		"half a certificate": func(w *watched) {
			text, _ := os.ReadFile(w.files.Certificate)
			write(w.t, w.files.Certificate, text[:len(text)/2])
		},
		"no key":        func(w *watched) { _ = os.Remove(w.files.Key) },
		"another's key": func(w *watched) { write(w.t, w.files.Key, second(w.authority.Issue(w.t, host))) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				w.t = t
				old := w.Config()
				damage(w)
				w.pass(10)
				if w.Config() != old || w.faults() != 1 {
					t.Errorf("%d faults are told, want 1:\n%s", w.faults(), w.log.String())
				}
				if err := w.take(w.files); err == nil || w.Config() != old {
					t.Errorf("asked to read them: %v", err)
				}
				cert, key := w.authority.Issue(t, host)
				certtest.Write(t, filepath.Dir(w.files.Key), cert, key)
				w.pass(1)
				if w.Config() == old {
					t.Errorf("the old one stays in use:\n%s", w.log.String())
				}
				damage(w)
				w.pass(10)
				if w.faults() != 2 {
					t.Errorf("a second time:\n%s", w.log.String())
				}
			})
		})
	}
}

// A reload takes effect at once, with other files too, but does not turn TLS off.
func TestUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		old := w.Config()
		if err := w.take(w.files); err != nil || w.Config() != old {
			t.Errorf("unchanged: %v", err)
		}
		var files certificate.Files
		cert, key := w.authority.Issue(t, host)
		files.Certificate, files.Key = certtest.Write(t, t.TempDir(), cert, key)
		files.ClientCA = write(t, filepath.Join(t.TempDir(), "ca.pem"), w.authority.PEM)
		if err := w.take(files); err != nil || w.Config() == old || w.Config().ClientAuth != tls.RequireAndVerifyClientCert {
			t.Errorf("other files: %v", err)
		}
		now := w.Config()
		if err := w.take(certificate.Files{}); err == nil || w.Config() != now {
			t.Errorf("no files: %v", err)
		}
		_ = os.Remove(w.files.Key)
		w.pass(5)
		if w.Config() != now || w.faults() != 0 {
			t.Errorf("the former files are still looked at:\n%s", w.log.String())
		}
	})
}

// Clients on the machine trust the file's own certificate, under its name.
func TestForClients(t *testing.T) {
	authority := certtest.NewAuthority(t)
	for want, hosts := range map[string][]string{host: {host, "127.0.0.1"}, "127.0.0.1": {"127.0.0.1"}, "presence.wild.test": {"*.wild.test"}} {
		cert, key := authority.Issue(t, hosts...)
		var files certificate.Files
		files.Certificate, files.Key = certtest.Write(t, t.TempDir(), append(key, cert...), key)
		config, err := files.ForClients()
		if err != nil || config.ServerName != want {
			t.Errorf("%v: %v, %v", hosts, config, err)
		}
	}
	files := certificate.Files{Certificate: write(t, filepath.Join(t.TempDir(), "cert.pem"), []byte("junk"))}
	if _, err := files.ForClients(); err == nil || !strings.Contains(err.Error(), "http.tls_cert_file: ") {
		t.Errorf("junk: %v", err)
	}
}
