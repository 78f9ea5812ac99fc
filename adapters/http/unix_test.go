package http_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
)

func startUnix(t tester, path string, change ...func(*http.Config)) *running {
	return start(t, append([]func(*http.Config){func(cfg *http.Config) { cfg.Listen = "unix:" + path }}, change...)...)
}

func dialUnix(t tester, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// TestUnixSocket asks with curl, follows a stream, and expects the socket to be gone in the end.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	r := startUnix(t, path)
	r.knows(t, mark, spreed, domain.Busy, "")
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if !strings.Contains(r.log.String(), "msg=listening url=unix:"+path+"\n") || r.URL() != "unix:"+path {
		t.Errorf("it says that it listens at %s:\n%s", r.URL(), r.log.String())
	}
	out, err := exec.Command("curl", "-sS", "--fail", "-X", "GET", "--unix-socket", path, "http://localhost/", "-d", r.body(mark, `{"user_id":"markd@zarafa.com"}`)).CombinedOutput()
	if want := `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":""}}]}`; err != nil || string(out) != want {
		t.Errorf("curl: %v %s", err, out)
	}
	events := r.stream(t, dialUnix(t, path))
	r.knows(t, mark, spreed, domain.Away, "by a Unix socket")
	events.until(t, "by a Unix socket")
	large := dialUnix(t, path)
	_, _ = io.WriteString(large, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 2<<20, strings.Repeat(" ", 1<<20)))
	if got := parseAnswer(t, bufio.NewReader(large)); got.status != 413 {
		t.Errorf("a large body: %d", got.status)
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	events.until(t, "event: end")
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket: %v", err)
	}
}

// TestAPeerOfAUnixSocketIsAProxy: it has no address, may have many connections without a token, and names its clients.
func TestAPeerOfAUnixSocketIsAProxy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	r := startUnix(t, path, func(cfg *http.Config) { cfg.MaxAnonymousPerAddress, cfg.AnonymousTimeout = 2, 100*time.Millisecond })
	var conns []net.Conn
	for range 10 {
		c := dialUnix(t, path)
		asked(t, c, withoutToken, 401)
		conns = append(conns, c)
	}
	for _, c := range conns {
		if ended(c, 20*time.Millisecond) {
			t.Fatal("a connection is not kept")
		}
	}
	time.Sleep(time.Second) // the log names an address once a second
	for header, want := range map[string]string{
		"":                               `remote="the Unix socket"`,
		"X-Forwarded-For: 192.0.2.7\r\n": `remote="192.0.2.7 by way of the Unix socket"`,
		"X-Forwarded-For: 1.1.1.1, 192.0.2.8\r\n": `remote="192.0.2.8 by way of the Unix socket"`,
	} {
		asked(t, conns[0], strings.Replace(withoutToken, "\r\n\r\n", "\r\n"+header+"\r\n", 1), 401)
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("%q: the log lacks %s:\n%s", header, want, r.log.String())
		}
	}
}

// TestTwoServersOnASocket: the second does not start, and the first goes on. When the first has died, the next takes its place.
func TestTwoServersOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	abandoned, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	abandoned.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = abandoned.Close()
	startUnix(t, path)
	cfg := localConfig()
	cfg.Listen = "unix:" + path
	second := http.New(cfg, http.Operations{}, nil, nil, nil, nil, nil, nil, nil, nil, slog.New(slog.DiscardHandler))
	if err := second.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "http.listen: "+path+" is taken by another program") {
		t.Errorf("the second one: %v", err)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	asked(t, dialUnix(t, path), withoutToken, 401)
}

// TestListenerKeys are the faults of the keys that are about listening.
func TestListenerKeys(t *testing.T) {
	for want, change := range map[string]func(*http.Config){
		`http.socket_mode: must be a mode in octal from 0 to 777, e.g. "0660"; it is "rw"`: func(cfg *http.Config) { cfg.SocketMode = "rw" },
		`http.listen: the path in "unix:x" must begin with a slash`:                        func(cfg *http.Config) { cfg.Listen = "unix:x" },
		"http.tls_key_file: needs http.tls_cert_file":                                      func(cfg *http.Config) { cfg.TLSKeyFile = "/key" },
		"http.tls_cert_file: there is no TLS on a Unix socket": func(cfg *http.Config) {
			cfg.Listen, cfg.TLSCertFile, cfg.TLSKeyFile = "unix:/x", "/cert", "/key"
		},
	} {
		cfg := http.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := http.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
