package http_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
)

// asked sends a request on a connection that stays open, and expects a status.
func asked(t *testing.T, c net.Conn, request string, want int) {
	t.Helper()
	_, _ = io.WriteString(c, request)
	if got := parseAnswer(t, bufio.NewReader(c)); got.status != want {
		t.Fatalf("%d %s, want %d", got.status, got.body, want)
	}
}

const withoutToken = "GET /v1/sources HTTP/1.1\r\nHost: x\r\n\r\n"

// known opens a connection that has shown a token.
func (r *running) known(t *testing.T) net.Conn {
	t.Helper()
	c := dial(t, r.Server)
	t.Cleanup(func() { _ = c.Close() })
	asked(t, c, put(r.body(mark, "")), 200)
	return c
}

// ended reports whether a connection ends within a time, without anything else.
func ended(c net.Conn, within time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(within))
	defer func() { _ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) }()
	n, err := c.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	return n == 0 && err != nil
}

func TestAnonymousConnectionsAreNotKept(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.AnonymousTimeout = 100 * time.Millisecond })
	known := r.known(t)
	refused, page, silent := dial(t, r.Server), dial(t, r.Server), dial(t, r.Server)
	for _, c := range []net.Conn{refused, page, silent} {
		defer c.Close()
	}
	asked(t, refused, withoutToken, 401)
	asked(t, page, "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", 200)
	if !ended(refused, 3*time.Second) || !ended(page, 3*time.Second) {
		t.Error("a connection that has shown no token is kept")
	}
	if got := parseAnswer(t, bufio.NewReader(silent)); got.status != 408 {
		t.Errorf("a silent connection: %d %s", got.status, got.body)
	}
	if ended(known, 500*time.Millisecond) {
		t.Error("a connection that has shown a token is not kept")
	}
	asked(t, known, withoutToken, 401) // which it may do
	if ended(known, 500*time.Millisecond) {
		t.Error("a connection that has shown a token once is not kept")
	}
}

func TestAnonymousConnectionsOfOneAddress(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxAnonymousPerAddress = 3 })
	for range 5 {
		r.known(t)
	}
	var anonymous []net.Conn
	for range 3 {
		c := dial(t, r.Server)
		defer c.Close()
		asked(t, c, withoutToken, 401)
		anonymous = append(anonymous, c)
	}
	refused := dial(t, r.Server)
	if got := parseAnswer(t, bufio.NewReader(refused)); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	_ = refused.Close()
	asked(t, anonymous[0], put(r.body(mark, "")), 200)
	again := dial(t, r.Server)
	defer again.Close()
	asked(t, again, withoutToken, 401)
	_ = again.Close()
	eventually(t, func() bool {
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = io.WriteString(c, withoutToken)
		return parseAnswer(t, bufio.NewReader(c)).status == 401
	})
}

func TestTrustedProxiesMayHaveManyConnections(t *testing.T) {
	r := start(t, func(cfg *http.Config) {
		cfg.MaxAnonymousPerAddress, cfg.AnonymousTimeout, cfg.TrustedProxies = 1, 100*time.Millisecond, []string{"127.0.0.0/8"}
	})
	var all []net.Conn
	for range 10 {
		c := dial(t, r.Server)
		defer c.Close()
		asked(t, c, withoutToken, 401)
		all = append(all, c)
	}
	if ended(all[0], 500*time.Millisecond) {
		t.Error("a proxy's connection is not kept")
	}
}

// TestTheOldestAnonymousConnectionGoes takes all connections. A new one takes the place of the oldest that has not shown a token.
func TestTheOldestAnonymousConnectionGoes(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxConnections = 3 })
	known := r.known(t)
	older, newer := dial(t, r.Server), dial(t, r.Server)
	defer older.Close()
	defer newer.Close()
	asked(t, older, withoutToken, 401)
	asked(t, newer, withoutToken, 401)
	r.known(t)
	if !ended(older, 3*time.Second) {
		t.Error("the oldest anonymous connection is kept")
	}
	asked(t, newer, withoutToken, 401)
	r.known(t) // takes the place of the other one
	if !ended(newer, 3*time.Second) {
		t.Error("the other anonymous connection is kept")
	}
	asked(t, known, put(r.body(mark, "")), 200)
	one := dial(t, r.Server)
	defer one.Close()
	if got := parseAnswer(t, bufio.NewReader(one)); got.status != 503 {
		t.Errorf("all connections have shown a token, and one more gets %d", got.status)
	}
}

// TestAnAttackerDoesNotKeepOthersOut has one client take all connections and ask again and again without a token. Everybody else is served.
func TestAnAttackerDoesNotKeepOthersOut(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxConnections = 20 })
	for range 100 {
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = io.WriteString(c, withoutToken)
	}
	for range 10 {
		asked(t, r.known(t), put(r.body(mark, "")), 200)
	}
}
