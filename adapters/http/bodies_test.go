package http_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/setting"
)

// TestAnAnnouncedBodyTakesNoMemory has many clients without a token announce the largest body and send one byte of it.
func TestAnAnnouncedBodyTakesNoMemory(t *testing.T) {
	const clients = 90
	r := start(t)
	before := heap()
	var conns []net.Conn
	for range clients {
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", http.MaxBody)
		conns = append(conns, c)
	}
	eventually(t, func() bool { return r.Busy() == clients })
	if took := int64(heap()) - int64(before); took > clients*128<<10 {
		t.Errorf("each of them takes %d KiB", took/clients>>10)
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// eventually waits until something holds.
func eventually(t tester, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}

// TestTheTokenIsCheckedBeforeTheBody announces a large body to API v1 with a token that is not valid, and sends a byte of it.
func TestTheTokenIsCheckedBeforeTheBody(t *testing.T) {
	r := start(t)
	for _, line := range []string{"POST /v1/users:query", "POST /v1/events", "POST /v1/import", "PUT /v1/users/markd@zarafa.com/spreed"} {
		for _, length := range []string{fmt.Sprintf("Content-Length: %d", http.MaxBody), "Transfer-Encoding: chunked"} {
			c := dial(t, r.Server)
			_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nonsense\r\n%s\r\n\r\n9", line, length)
			began := time.Now()
			from := bufio.NewReader(c)
			if got := parseAnswer(t, from); got.status != 401 {
				t.Errorf("%s, %s: %d %s", line, length, got.status, got.body)
			}
			if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: then %v, want the end", line, length, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s, %s: refused after %v", line, length, took)
			}
			_ = c.Close()
		}
	}
}

// TestLargeBodiesAreBounded has clients send most of a large body. There is no room for a third one then, but small ones get through.
func TestLargeBodiesAreBounded(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxBodies = 2 * setting.MiB })
	large := r.body(mark, strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 9_990), ","))
	large += strings.Repeat(" ", http.MaxBody-len(large))
	begun := fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(large), large[:600<<10])
	first := dial(t, r.Server)
	defer first.Close()
	second := dial(t, r.Server)
	defer second.Close()
	_, _ = io.WriteString(first, begun)
	_, _ = io.WriteString(second, begun)
	eventually(t, func() bool { return r.Bodies() == 2*http.MaxBody })
	third := dial(t, r.Server)
	defer third.Close()
	_, _ = io.WriteString(third, begun)
	got := readAnswer(t, bufio.NewReader(third))
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "large") {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	if got := r.do(t, "GET", r.body(mark, "")); got.status != 200 {
		t.Errorf("a small one meanwhile: %d %s", got.status, got.body)
	}
	_, _ = io.WriteString(first, large[600<<10:])
	if got := readAnswer(t, bufio.NewReader(first)); got.status != 200 {
		t.Errorf("the first: %d %s", got.status, got.body)
	}
	if got := r.do(t, "GET", large); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
	_ = second.Close()
	eventually(t, func() bool { return r.Bodies() == 0 })
}

// TestAClientThatWaitsForContinue sends a body only when the server says so (RFC 9110, 10.1.1), then another request on the same connection.
func TestAClientThatWaitsForContinue(t *testing.T) {
	r := start(t)
	c := dial(t, r.Server)
	defer c.Close()
	from := bufio.NewReader(c)
	for _, size := range []int{200, 5_000, 20_000, http.MaxBody} {
		body := r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`)
		body += strings.Repeat(" ", max(0, size-len(body)))
		_, _ = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
		line, err := from.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%d bytes: %q, %v", size, line, err)
		}
		_, _ = from.ReadString('\n')
		_, _ = io.WriteString(c, body)
		if got := readAnswer(t, from); got.status != 200 {
			t.Errorf("%d bytes: %d %s", size, got.status, got.body)
		}
		_, _ = io.WriteString(c, put(body))
		if got := readAnswer(t, from); got.status != 200 {
			t.Errorf("%d bytes again: %d %s", size, got.status, got.body)
		}
	}
}
