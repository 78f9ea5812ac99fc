package http_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
)

// accessed starts a server that logs requests.
func accessed(t *testing.T, change ...func(*http.Config)) (*running, *logged) {
	r, log := start(t, change...), new(logged)
	r.LogAccess(slog.New(slog.NewTextHandler(log, nil)))
	return r, log
}

// TestAccessLog has a line for each request, whatever becomes of it, and no token, message or query in it.
func TestAccessLog(t *testing.T) {
	r, log := accessed(t)
	token := r.tokens.Issue(mark)
	ids := 0
	for _, test := range []struct{ request, want string }{
		{request("GET", r.body(mark, entry(1))), `method=GET route=/ status=200 * user=markd@zarafa.com address=127.0.0.1 request_id=`},
		{request("PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"hidden"}}`)), `method=PUT route=/ status=200 * user=markd@zarafa.com`},
		{bearer(token), `method=GET route=/v1/users/:user status=200 * user=markd@zarafa.com`},
		{"GET /v1/users?user=alice@example.test HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n", `method=GET route=/v1/users status=200 * user=markd@zarafa.com`},
		{"PUT /v1/users/alice@example.test/spreed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 17\r\n\r\n" + `{"status":"busy"}`,
			`method=PUT route=/v1/users/:user/:protocol status=403 * user=markd@zarafa.com`},
		{bearer("1415697944:markd@zarafa.com:SLDJMBNNFNN5/RIXFJPXVKCKNV6SBHYGLFLE5G/TVLY="), `method=GET route=/v1/users/:user status=401 * user="" address=127.0.0.1`},
		{"GET /nothing?query=hidden HTTP/1.1\r\nHost: x\r\n\r\n", `method=GET route="" status=404`},
		{"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", `method=GET route=/docs status=200 * user=""`},
		{"HIDDEN / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", `method=HIDDEN route="" status=405`},
		{"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", `status=400`},
		{"GET /v1/events?user=alice@example.test HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n", `method=GET route=/v1/events status=200 * user=markd@zarafa.com`},
	} {
		before := log.String()
		c := dial(t, r.Server)
		_, _ = io.WriteString(c, test.request)
		head, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(log.String()) > len(before) })
		_ = c.Close()
		line := strings.TrimPrefix(log.String(), before)
		pattern := strings.ReplaceAll(regexp.QuoteMeta(test.want), `\*`, `duration_ms=\d+(\.\d+)?`)
		if strings.Count(line, "\n") != 1 || !regexp.MustCompile(pattern).MatchString(line) {
			t.Errorf("%.40q (%s): %s\nwant %s", test.request, strings.TrimSpace(head), line, test.want)
		}
		if regexp.MustCompile(`request_id=[0-9a-f]{16}\n`).MatchString(line) {
			ids++
		}
	}
	if ids != 11 {
		t.Errorf("%d lines have an id", ids)
	}
	for _, secret := range []string{token, token[:20], "hidden", "SLDJMBNN", "query", "alice"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log.String())
		}
	}
}

// TestRequestID: one that is acceptable is taken, else one is made. The answer tells it, whatever the answer is, and so do the logs.
func TestRequestID(t *testing.T) {
	r, log := accessed(t)
	made := regexp.MustCompile(`^[0-9a-f]{16}$`)
	seen := map[string]bool{}
	for _, test := range []struct {
		sent  string
		taken bool
	}{
		{"abc-DEF_0.9", true}, {strings.Repeat("x", 64), true}, {"x", true},
		{"", false}, {strings.Repeat("x", 65), false}, {"a b", false}, {`a"b`, false}, {"a\tb", false}, {"ä", false}, {"a/b", false},
	} {
		for _, path := range []string{"/v1/sources", "/docs", "/nothing"} {
			c := dial(t, r.Server)
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n", path, test.sent)
			id := parseAnswer(t, bufio.NewReader(c)).header.Get("X-Request-Id")
			_ = c.Close()
			if test.taken != (id == test.sent) || !test.taken && !made.MatchString(id) || !test.taken && seen[id] {
				t.Errorf("%s with %q: the answer has %q", path, test.sent, id)
			}
			seen[id] = true
			eventually(t, func() bool { return strings.Contains(log.String(), "request_id="+id+"\n") })
		}
	}
	if !strings.Contains(r.log.String(), "status=401") || !strings.Contains(r.log.String(), "request_id=abc-DEF_0.9") {
		t.Errorf("a refusal is logged without its id: %s", r.log.String())
	}
	for name, broken := range map[string]string{"not HTTP": "x\r\n\r\n", "a host": "GET / HTTP/1.1\r\nHost: x y\r\nX-Request-Id: mine\r\n\r\n"} {
		if got := raw(t, r.Server, broken); got.status != 400 || got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", name, got.status, got.header)
		}
	}
	stream := dial(t, r.Server)
	defer stream.Close()
	_, _ = io.WriteString(stream, "GET /v1/events?user=a@b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nAuthorization: Bearer "+r.tokens.Issue(mark)+"\r\n\r\n")
	var head strings.Builder
	for from := bufio.NewReader(stream); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		head.WriteString(line)
	}
	if !strings.Contains(head.String(), "X-Request-Id: mine\r\n") {
		t.Errorf("a stream: %s", head.String())
	}
}

// TestAccessLogOff: a log that takes no lines, and none at all, are the same.
func TestAccessLogOff(t *testing.T) {
	r, log := accessed(t)
	r.LogAccess(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})))
	r.do(t, "GET", r.body(mark, ""))
	r.LogAccess(nil)
	r.do(t, "GET", r.body(mark, ""))
	if log.String() != "" {
		t.Errorf("log: %s", log.String())
	}
}

// nowhere takes everything: slog knows io.Discard, and would not even render a line for it.
type nowhere struct{}

func (*nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkAccessLog compares a server that logs requests with one that does not. It has no floor.
func BenchmarkAccessLog(b *testing.B) {
	with, without := populated(b), populated(b)
	with.LogAccess(slog.New(slog.NewTextHandler(new(nowhere), nil)))
	get := func(r *running) bench.Load {
		ask := func(client int) string { return request("GET", r.body(domain.UserID(user(client)), entry(client))) }
		return load(b, r.Addr(), ask, func([]byte) {})
	}
	bench.Compare(b, 0, get(without), get(with))
}
