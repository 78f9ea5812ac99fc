package setting_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/setting"
)

const hush = "hushhush"

// holder has secrets where fmt does not ask them how they are printed.
type holder struct {
	Secret  setting.Secret
	private setting.Secret
	list    []setting.Secret
	byName  map[string]setting.Secret
	inside  struct{ deep *setting.Secret }
}

func newHolder() holder {
	secret := setting.NewSecret(hush)
	h := holder{Secret: secret, private: secret, list: []setting.Secret{secret}, byName: map[string]setting.Secret{"a": secret}}
	h.inside.deep = &secret
	return h
}

func TestSecretIsMasked(t *testing.T) {
	h := newHolder()
	if h.Secret.Reveal() != hush || h.Secret.IsZero() {
		t.Fatal("Reveal does not")
	}
	for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
		for _, flags := range []string{"", "+", "#", " ", "10", ".3"} {
			format := "%" + flags + string(verb)
			for _, value := range []any{h, &h, h.Secret, &h.Secret, h.list, h.byName} {
				text := fmt.Sprintf(format, value)
				if strings.Contains(text, hush) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", hush)) {
					t.Errorf("%s of %T shows it: %s", format, value, text)
				}
			}
		}
	}
	for _, format := range []string{"%v", "%s", "%q", "%x", "%+v", "%#v", "%d"} {
		if text := fmt.Sprintf(format, h.Secret); text != setting.Mask {
			t.Errorf("%s: %q", format, text)
		}
	}
}

func TestSecretIsMaskedInLogsAndDocuments(t *testing.T) {
	h := newHolder()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("text", "secret", h.Secret, "holder", h, "pointer", &h, "list", h.list, "err", fmt.Errorf("bad %v", h.Secret))
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		document, err := marshal(map[string]any{"secret": h.Secret, "holder": h, "list": h.list})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(document)
	}
	if text := out.String(); strings.Contains(text, hush) || strings.Count(text, setting.Mask) < 8 {
		t.Errorf("got %s", text)
	}
}

func TestEmptySecret(t *testing.T) {
	for _, secret := range []setting.Secret{{}, setting.NewSecret("")} {
		if secret.Reveal() != "" || !secret.IsZero() || fmt.Sprint(secret) != "" || !reflect.DeepEqual(secret, setting.Secret{}) {
			t.Errorf("got %q, %v", secret.Reveal(), secret)
		}
	}
	if !reflect.DeepEqual(setting.NewSecret("a"), setting.NewSecret("a")) || reflect.DeepEqual(setting.NewSecret("a"), setting.NewSecret("b")) {
		t.Error("reflect.DeepEqual does not compare the texts")
	}
}

// A secret from a file is masked like any other, and says which file.
func TestReadSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(hush+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := setting.ReadSecret(name)
	if err != nil || secret.Reveal() != hush || secret.File() != name || strings.Contains(fmt.Sprintf("%v %+v %#v", secret, &secret, []any{secret}), hush) {
		t.Errorf("%v, %v of %s", secret, err, secret.File())
	}
	if secret, err := setting.ReadSecret(""); err != nil || !secret.IsZero() || secret.File() != "" {
		t.Errorf("no name: %v, %v", secret, err)
	}
	for name, want := range map[string]string{"/dev/null": "/dev/null: it is empty", "/dev/zero": "/dev/zero: it is longer than 4096 bytes", "/nowhere": "open /nowhere: "} {
		if secret, err := setting.ReadSecret(name); err == nil || !strings.HasPrefix(err.Error(), want) || !secret.IsZero() || secret.File() != name {
			t.Errorf("%s: %v, %v of %q", name, err, secret, secret.File())
		}
	}
}

// A pipe is read if somebody writes it, and hangs nothing if nobody does.
func TestReadFileOfAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	want := name + ": it is a pipe that gives nothing"
	if _, err := setting.ReadFile(name, 100); err == nil || err.Error() != want {
		t.Errorf("without a writer: %v, want %s", err, want)
	}
	writer, err := os.OpenFile(name, os.O_RDWR, 0) // so that it can be opened before a reader is there
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setting.ReadFile(name, 100); err == nil || err.Error() != want {
		t.Errorf("with one that says nothing: %v, want %s", err, want)
	}
	_ = writer.Close()
	reader, writer, err := os.Pipe() // as a shell makes one for <(command)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, err = writer.WriteString(hush)
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	if text, err := setting.ReadFile(fmt.Sprint("/proc/self/fd/", reader.Fd()), 100); err != nil || string(text) != hush {
		t.Errorf("with one that has written: %q, %v", text, err)
	}
}

func TestRoots(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	var roots setting.Roots
	if err := roots.UnmarshalText([]byte(good)); err != nil || roots.File != good || fmt.Sprint(roots) != good {
		t.Fatalf("%v, %v", roots, err)
	}
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots.Pool
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("the certificate is not trusted: %v", err)
	}
	answer.Body.Close()

	if err := roots.UnmarshalText(nil); err != nil || roots.Pool != nil || roots.File != "" {
		t.Errorf("no name: %v, %v; want the system's", roots, err)
	}
	for name, want := range map[string]string{
		write("empty", nil):                "it has no PEM certificate",
		write("text", []byte("no certif")): "it has no PEM certificate",
		filepath.Join(dir, "absent"):       "no such file",
		dir:                                "is a directory",
		"/dev/zero":                        "/dev/zero: it is longer than 4194304 bytes",
	} {
		if _, err := setting.ReadRoots(name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		text string
		want setting.Size // -1: refused
		back string
	}{
		{"0", 0, "0"}, {"16KiB", 16 * setting.KiB, "16KiB"}, {"1024", setting.KiB, "1KiB"}, {"1000", 1000, "1000"}, {" 1 GiB ", setting.GiB, "1GiB"},
		{"1536MiB", 1536 * setting.MiB, "1536MiB"}, {"5B", 5, "5"},
		{"16KB", -1, ""}, {"16 k", -1, ""}, {"", -1, ""}, {"-1", -1, ""}, {"1.5MiB", -1, ""}, {"9999999999GiB", -1, ""}, {"99999999999999999999", -1, ""},
	}
	for _, test := range tests {
		var size setting.Size
		err := size.UnmarshalText([]byte(test.text))
		switch {
		case test.want < 0 && (err == nil || !strings.Contains(err.Error(), "expected a size such as 16KiB")):
			t.Errorf("%q: %v, %v; want an error", test.text, size, err)
		case test.want >= 0 && (err != nil || size != test.want || size.String() != test.back):
			t.Errorf("%q: %v, %v; want %s", test.text, size, err, test.back)
		}
	}
}
