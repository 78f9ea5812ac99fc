package http_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
)

// either runs a test with a connection in the clear, and with one over TLS.
func either(t *testing.T, change func(*http.Config), test func(t *testing.T, r *running, c net.Conn)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) {
		t.Parallel() // they wait, mostly
		r := start(t, change)
		c := dial(t, r.Server)
		defer c.Close()
		test(t, r, c)
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		e := startTLS(t, change)
		test(t, e.running, e.dial(t, e.client()))
	})
}

// TestLongerTimeoutsAfterAReload: a connection that was there before keeps its time-outs, and each of its requests has the whole of them.
func TestLongerTimeoutsAfterAReload(t *testing.T) {
	short := func(cfg *http.Config) { cfg.WriteTimeout, cfg.IdleTimeout = time.Second, time.Second }
	either(t, short, func(t *testing.T, r *running, c net.Conn) {
		request := put(r.body(mark, ""))
		asked(t, c, request, 200)
		longer := localConfig()
		longer.WriteTimeout, longer.IdleTimeout = time.Hour, time.Hour
		r.Configure(longer)
		for range 6 {
			time.Sleep(200 * time.Millisecond)
			asked(t, c, request, 200)
		}
	})
}

// TestIdleConnectionsAreKept: a connection is open between two requests for as long as idle_timeout says, also after requests in quick succession.
func TestIdleConnectionsAreKept(t *testing.T) {
	const timeout = 800 * time.Millisecond
	either(t, func(cfg *http.Config) { cfg.IdleTimeout = timeout }, func(t *testing.T, r *running, c net.Conn) {
		request := put(r.body(mark, ""))
		asked(t, c, request, 200)
		time.Sleep(timeout / 20)
		last := time.Now()
		asked(t, c, request, 200)
		if !ended(c, 5*time.Second) {
			t.Fatal("an idle connection is kept")
		}
		if idle := time.Since(last); idle < timeout {
			t.Errorf("closed after %v, want %v", idle, timeout)
		}
	})
}

// TestTheRestOfALaterRequestIsBounded: also on a connection that may be idle for long.
func TestTheRestOfALaterRequestIsBounded(t *testing.T) {
	change := func(cfg *http.Config) {
		cfg.HeaderTimeout, cfg.ReadTimeout = 500*time.Millisecond, 700*time.Millisecond
	}
	for name, request := range map[string]string{
		"header":     "GET / HTTP/1.1\r\nHost",
		"small body": "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
		"large body": "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			either(t, change, func(t *testing.T, r *running, c net.Conn) {
				asked(t, c, put(r.body(mark, "")), 200)
				began := time.Now()
				asked(t, c, request, 408)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("after %v", took)
				}
			})
		})
	}
	t.Run("pipeline", func(t *testing.T) {
		t.Parallel()
		either(t, change, func(t *testing.T, r *running, c net.Conn) {
			from := bufio.NewReader(c)
			_, _ = io.WriteString(c, put(r.body(mark, ""))+"GET / HTTP/1.1\r\nHost")
			for _, want := range []int{200, 408} {
				if got := parseAnswer(t, from); got.status != want {
					t.Errorf("%d %s, want %d", got.status, got.body, want)
				}
			}
		})
	})
}

// TestARequestInPieces: it may take as long as its time-outs say, however long the pause before it was.
func TestARequestInPieces(t *testing.T) {
	change := func(cfg *http.Config) {
		cfg.HeaderTimeout, cfg.ReadTimeout, cfg.IdleTimeout = 5*time.Second, 5*time.Second, time.Second
	}
	either(t, change, func(t *testing.T, r *running, c net.Conn) {
		request := put(r.body(mark, ""))
		asked(t, c, request, 200)
		time.Sleep(300 * time.Millisecond)
		for _, piece := range []string{request[:5], request[5:40], request[40 : len(request)-9]} {
			_, _ = io.WriteString(c, piece)
			time.Sleep(400 * time.Millisecond)
		}
		asked(t, c, request[len(request)-9:], 200)
	})
}

// TestAnsweredAfterAPause: a client that comes again after a pause longer than write_timeout is answered, even before its request has come as a whole.
func TestAnsweredAfterAPause(t *testing.T) {
	change := func(cfg *http.Config) {
		cfg.WriteTimeout, cfg.HeaderTimeout = 300*time.Millisecond, 800*time.Millisecond
	}
	for _, test := range []struct {
		name, request string
		want          int
	}{
		{"expecting", "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 100},
		{"malformed", "GET / HTTP/1.1\r\n: x\r\n\r\n", 400},
		{"slow", "GET / HTTP/1.1\r\nHost", 408},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			either(t, change, func(t *testing.T, r *running, c net.Conn) {
				asked(t, c, put(r.body(mark, "")), 200)
				time.Sleep(500 * time.Millisecond)
				_, _ = io.WriteString(c, test.request)
				line, err := bufio.NewReader(c).ReadString('\n')
				if want := fmt.Sprintf("HTTP/1.1 %d ", test.want); !strings.HasPrefix(line, want) {
					t.Errorf("%q, %v, want %q", line, err, want)
				}
			})
		})
	}
}

// TestASlowFirstRequest is told that it has come too slowly.
func TestASlowFirstRequest(t *testing.T) {
	change := func(cfg *http.Config) { cfg.HeaderTimeout = 500 * time.Millisecond }
	either(t, change, func(t *testing.T, _ *running, c net.Conn) { asked(t, c, "GET / HTTP/1.1\r\nHost", 408) })
}

// TestAStreamHasNoDeadline: not even that of requests before it on the same connection.
func TestAStreamHasNoDeadline(t *testing.T) {
	const timeout = 700 * time.Millisecond
	change := func(cfg *http.Config) {
		cfg.HeaderTimeout, cfg.ReadTimeout, cfg.WriteTimeout, cfg.IdleTimeout = timeout, timeout, timeout, timeout
	}
	either(t, change, func(t *testing.T, r *running, c net.Conn) {
		for range 3 {
			asked(t, c, put(r.body(mark, "")), 200)
		}
		s := r.stream(t, c)
		s.until(t, "event: ready")
		time.Sleep(timeout + timeout/2)
		r.knows(t, mark, spreed, domain.Busy, "late")
		s.until(t, "late")
	})
}

// TestAClientThatDoesNotReadIsCutOff after many answers that it has read at once.
func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	change := func(cfg *http.Config) { cfg.WriteTimeout = 400 * time.Millisecond }
	either(t, change, func(t *testing.T, r *running, c net.Conn) {
		for i := range 3000 {
			r.knows(t, domain.UserID(user(i)), spreed, domain.Busy, strings.Repeat("x", 4000))
		}
		for range 50 {
			asked(t, c, put(r.body(mark, "")), 200)
		}
		_, _ = fmt.Fprintf(c, "GET /v1/users?limit=10000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.tokens.Issue(service))
		time.Sleep(1500 * time.Millisecond)
		n, err := io.Copy(io.Discard, c)
		if n > 11<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}
