package listen_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/http/internal/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestURL(t *testing.T) {
	tests := []struct {
		address, plain, secure string
	}{
		{"127.0.0.1:1234", "http://127.0.0.1:1234/", "https://127.0.0.1:1234/"},
		{":80", "http://127.0.0.1:80/", "https://127.0.0.1:80/"},
		{"0.0.0.0:80", "http://127.0.0.1:80/", "https://127.0.0.1:80/"},
		{"[::]:80", "http://[::1]:80/", "https://[::1]:80/"},
		{"[2001:db8::1]:80", "http://[2001:db8::1]:80/", "https://[2001:db8::1]:80/"},
		{"chat.example.test:1", "http://chat.example.test:1/", "https://chat.example.test:1/"},
		{"unix:/run/p/http.sock", "unix:/run/p/http.sock", "unix:/run/p/http.sock"},
		{"unix:/run//p/../q/http.sock", "unix:/run/q/http.sock", "unix:/run/q/http.sock"},
	}
	for _, test := range tests {
		address, err := listen.Parse(test.address)
		if err != nil || address.URL(false) != test.plain || address.URL(true) != test.secure {
			t.Errorf("%s: %q and %q, %v; want %q and %q", test.address, address.URL(false), address.URL(true), err, test.plain, test.secure)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "is not host:port",
		"127.0.0.1":                            "is not host:port",
		"127.0.0.1:http":                       "must be a number from 0 to 65535",
		"127.0.0.1:65536":                      "must be a number from 0 to 65535",
		"unix:":                                "must begin with a slash",
		"unix:http.sock":                       "must begin with a slash",
		"unix:@abstract":                       "must begin with a slash",
		"unix:/" + strings.Repeat("x", 107):    "longer than the 107 bytes",
		"/run/zarafa-presence/http.sock":       "is not host:port",
		"unix:///" + strings.Repeat("x", 1000): "longer than the 107 bytes",
	} {
		if address, err := listen.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, address, err, want)
		}
	}
}

func TestModes(t *testing.T) {
	for text, want := range map[string]uint32{"0660": 0o660, "600": 0o600, "0": 0, "0777": 0o777} {
		if mode, err := listen.ParseMode(text); err != nil || mode != want {
			t.Errorf("%q: %o, %v", text, mode, err)
		}
	}
	for _, text := range []string{"", "0o660", "1777", "rw", "0888", "-1"} {
		if mode, err := listen.ParseMode(text); err == nil {
			t.Errorf("%q: %o", text, mode)
		}
	}
}
