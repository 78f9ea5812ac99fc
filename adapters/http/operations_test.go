package http_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/measure"
)

// TestOperations asks about the daemon itself, without a token, in every way.
func TestOperations(t *testing.T) {
	r := start(t)
	for _, test := range []struct{ path, want string }{
		{"/livez", "ok\n"},
		{"/readyz", "ready\n"},
		{"/readyz?verbose", "daemon: running\nsource xmpp: synced\nready\n"},
		{"/metrics", "presence_ready 1\n"},
	} {
		got := send(t, r.Server, "GET", test.path, "")
		if got.status != 200 || got.body != test.want || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s: %d %q %v", test.path, got.status, got.body, got.header)
		}
		head := send(t, r.Server, "HEAD", test.path, "")
		if head.status != 200 || head.header.Get("Content-Length") != fmt.Sprint(len(test.want)) {
			t.Errorf("HEAD %s: %d %v", test.path, head.status, head.header)
		}
		if with := send(t, r.Server, "GET", test.path, "a body"); with.status != 400 {
			t.Errorf("GET %s with a body: %d", test.path, with.status)
		}
	}
	if got := send(t, r.Server, "POST", "/livez", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", got.status, got.header)
	}
	if got := send(t, r.Server, "GET", "/debug/pprof/", ""); got.status != 404 {
		t.Errorf("profiles are served to everybody: %d", got.status)
	}
	chunked := "GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 20)
	if got := raw(t, r.Server, chunked); got.status != 400 {
		t.Errorf("a body that does not end: %d", got.status)
	}
}

// startOperations starts a server that is not ready, with a listener for operators or without.
func startOperations(t *testing.T, admin string, about http.Operations) *http.Server {
	t.Helper()
	cfg := localConfig()
	cfg.AdminListen = admin
	core := coretest.Start(t)
	server := http.New(cfg, about, core.Presence, core.Feed, core.Directory, nil, core.Backup, new(loading), newTokens(t), core.Clock, slog.New(slog.DiscardHandler))
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

// TestOperationsWhileLoading: whether the process lives and what it does can be asked before anything else can.
func TestOperationsWhileLoading(t *testing.T) {
	server := startOperations(t, "", http.Operations{Health: healthy{not: true}, Metrics: operations.Metrics})
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/readyz?verbose": 503, "/metrics": 200, "/": 503, "/board": 503, "/livez/": 503} {
		if got := send(t, server, "GET", path, ""); got.status != want {
			t.Errorf("GET %s: %d, want %d", path, got.status, want)
		}
	}
	got := send(t, server, "GET", "/readyz?verbose", "")
	if got.body != "daemon: running\nsource xmpp: synced\nnot ready\n" || got.header.Get("Retry-After") == "" {
		t.Errorf("%q %v", got.body, got.header)
	}
}

// TestAdminListener: with a listener for operators nothing about the daemon itself is on the clients' one, and profiles are there.
func TestAdminListener(t *testing.T) {
	server := startOperations(t, "127.0.0.1:0", http.Operations{Health: healthy{not: true}, Metrics: operations.Metrics})
	plain := &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
	ask := func(method, path string) (int, string) {
		t.Helper()
		request, err := nethttp.NewRequest(method, "http://"+server.AdminAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := plain.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 503, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 200,
		"/": 404, "/board": 404, "/v1/users": 404,
	} {
		if got, text := ask("GET", path); got != want {
			t.Errorf("GET %s: %d %.100s", path, got, text)
		}
	}
	if got, _ := ask("POST", "/metrics"); got != 405 {
		t.Errorf("POST: %d", got)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if got := send(t, server, "GET", path, ""); got.status != 503 { // as everything else while it is loading
			t.Errorf("the clients' listener answers GET %s: %d", path, got.status)
		}
	}
}

// TestAProfileDoesNotDelayTheEnd: somebody asks for one that takes a minute.
func TestAProfileDoesNotDelayTheEnd(t *testing.T) {
	server := startOperations(t, "127.0.0.1:0", operations)
	asked, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) }}
		request, err := nethttp.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "http://"+server.AdminAddr().String()+"/debug/pprof/trace?seconds=60", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if answer, err := (&nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}).Do(request); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}()
	<-asked
	began := time.Now()
	if err := server.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	<-ended
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestTakenAdminPort fails the start, and leaves nothing behind.
func TestTakenAdminPort(t *testing.T) {
	cfg := localConfig()
	cfg.Listen, cfg.AdminListen = freeport.Address(t), "127.0.0.1:0"
	first := startOperations(t, "127.0.0.1:0", operations)
	cfg.AdminListen = first.AdminAddr().String()
	server := http.New(cfg, operations, nil, nil, nil, nil, nil, nil, nil, nil, slog.New(slog.DiscardHandler))
	err := server.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "http.admin_listen: "+cfg.AdminListen+" is taken by another program") {
		t.Errorf("Start: %v", err)
	}
	if err := server.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if again := startServer(t, cfgListening(cfg.Listen), coretest.Start(t), newTokens(t), io.Discard); again.Addr().String() != cfg.Listen {
		t.Errorf("listens on %v", again.Addr())
	}
}

func cfgListening(address string) http.Config {
	cfg := localConfig()
	cfg.Listen = address
	return cfg
}

// TestAnIdleScraper keeps its connection for longer than it may, as Prometheus does, and asks again without an error.
func TestAnIdleScraper(t *testing.T) {
	r := start(t, func(c *http.Config) { c.AnonymousTimeout = 50 * time.Millisecond })
	transport := &nethttp.Transport{}
	defer transport.CloseIdleConnections()
	scraper := &nethttp.Client{Transport: transport}
	reused := 0
	for i := range 4 {
		trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
			if c.Reused {
				reused++
			}
		}}
		request, err := nethttp.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "http://"+r.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := scraper.Do(request)
		if err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if i%2 == 1 {
			eventually(t, func() bool { plain, _, _, _ := r.Connections(); return plain == 0 })
		}
	}
	if reused == 0 {
		t.Error("no connection was ever used twice, so nothing was tested")
	}
}

// counted is what a server has measured.
func counted(r *running) map[string]uint64 {
	all := map[string]uint64{}
	r.EachRequest(func(method, route, class string, durations *measure.Histogram) {
		if n := durations.Read().Count; n > 0 {
			all[method+" "+route+" "+class] = n
		}
	})
	r.EachRefusal(func(reason string, n uint64) {
		if n > 0 {
			all[reason] = n
		}
	})
	return all
}

// TestStatistics: requests are counted by the pattern of their route, never by what a client makes up, and refusals by their reason.
func TestStatistics(t *testing.T) {
	r := start(t)
	r.do(t, "GET", r.body(mark, `{"user_id":"markd@zarafa.com"}`))
	r.do(t, "PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
	r.do(t, "PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"lunch"}}`))
	r.do(t, "PUT", r.body(mark, `{"user_id":"alice@example.test","spreed":{"status":"busy"}}`))
	r.do(t, "GET", `{`)
	r.do(t, "BREW", "")
	r.do(t, "PATCH", "")
	send(t, r.Server, "GET", "/v1/users/"+mark, "", "Authorization: Bearer "+r.tokens.Issue(mark))
	send(t, r.Server, "GET", "/v1/users/"+mark, "")
	send(t, r.Server, "GET", "/board", "")
	send(t, r.Server, "GET", "/invented", "")
	raw(t, r.Server, "GET / HTTP/1.1\r\n\r\n")
	want := map[string]uint64{
		"GET / 2xx": 1, "GET / 4xx": 1, "PUT / 2xx": 1, "PUT / 4xx": 2, "GET /v1/users/:user 2xx": 1, "GET /v1/users/:user 4xx": 1, "GET /board 2xx": 1,
		"none none 4xx": 3, "malformed": 1, "invalid": 1, "forbidden": 1, "unauthenticated": 1, "not_found": 1, "method": 2, "unread": 1,
	}
	if got := counted(r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted\n%v, want\n%v", got, want)
	}
	if _, streams, _, accepted := r.Connections(); streams != 0 || accepted != 12 {
		t.Errorf("%d streams, %d connections", streams, accepted)
	}
}

// TestReasonsAreDocumented holds the reasons of refusals against the table in docs/metrics.md.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "\n| reason | status | |\n|---|---|---|\n")
	table, _, _ := strings.Cut(after, "\n\n")
	documented := make(map[string]bool)
	for row := range strings.Lines(table) {
		for i, part := range strings.Split(strings.Split(row, "|")[1], "`") {
			if i%2 == 1 {
				documented[part] = true
			}
		}
	}
	start(t).EachRefusal(func(reason string, _ uint64) {
		if !documented[reason] {
			t.Errorf("docs/metrics.md does not have the reason %s", reason)
		}
		delete(documented, reason)
	})
	if len(documented) > 0 {
		t.Errorf("docs/metrics.md has reasons that there are not: %v", documented)
	}
}
