package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

func TestTakenPortFailsTheStart(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cfg := localConfig()
	cfg.Listen = other.Addr().String()
	server := http.New(cfg, http.Operations{}, nil, nil, nil, nil, nil, nil, nil, nil, slog.New(slog.DiscardHandler))
	if server.Addr() != nil || server.URL() != "" {
		t.Errorf("before Start: Addr: %v, URL: %q", server.Addr(), server.URL())
	}
	err = server.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "http.listen: "+cfg.Listen+" is taken by another program") {
		t.Errorf("Start: %v", err)
	}
	if server.Addr() != nil || server.URL() != "" {
		t.Errorf("Addr: %v, URL: %q", server.Addr(), server.URL())
	}
	if err := server.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// TestLoading asks before everything is loaded, and after: no request gets any further before, whatever it is.
func TestLoading(t *testing.T) {
	var loaded loading
	tokens, core := newTokens(t), coretest.Start(t)
	server := http.New(localConfig(), http.Operations{}, core.Presence, core.Feed, core.Directory, nil, core.Backup, &loaded, tokens, core.Clock, slog.New(slog.DiscardHandler))
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop(context.Background()) }()
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[{"user_id":%q,"spreed":{"status":"busy"}}]}`, tokens.Issue(mark), mark)
	requests := []struct {
		method, path, body string
		status             int // later
	}{
		{"GET", "/", `{`, 400},
		{"GET", "/", body, 200},
		{"PUT", "/", body, 200},
		{"POST", "/", body, 200},
		{"POST", "/", strings.Repeat(" ", 700<<10) + body, 200},
		{"DELETE", "/", "", 405},
		{"GET", "/nothing.ico", "", 404},
	}
	for _, r := range requests {
		got := do(t, server, r.method, r.path, r.body)
		want := `{"title":"Service Unavailable","status":503,"detail":"the presences are being loaded; try again"}`
		if got.status != 503 || got.body != want || got.header.Get("Retry-After") != "1" || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s is answered with %d %v %s", r.method, r.path, got.status, got.header, got.body)
		}
	}
	if core.Presences(mark) != nil {
		t.Error("an update was taken")
	}
	loaded.done.Store(true)
	for _, r := range requests {
		if got := do(t, server, r.method, r.path, r.body); got.status != r.status {
			t.Errorf("later %s %s is answered with %d %s", r.method, r.path, got.status, got.body)
		}
	}
}

func TestStartAndStopTwice(t *testing.T) {
	server := http.New(localConfig(), http.Operations{}, nil, nil, nil, nil, nil, nil, nil, nil, slog.New(slog.DiscardHandler))
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(context.Background()); err == nil {
		t.Error("a second Start succeeded")
	}
	address := server.Addr().String()
	var stops sync.WaitGroup
	for range 3 {
		stops.Go(func() {
			if err := server.Stop(context.Background()); err != nil {
				t.Errorf("Stop: %v", err)
			}
		})
	}
	stops.Wait()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still listens")
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = again.Close()
}

// TestStopIsQuickWhateverClientsDo stops a server that has idle, silent, stuck and unread connections.
func TestStopIsQuickWhateverClientsDo(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, strings.Repeat("x", 4000))
	connect := func(begin string) net.Conn {
		c := dial(t, r.Server)
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, begin)
		return c
	}
	served := connect(put(r.body(mark, "")))
	if got := readAnswer(t, bufio.NewReader(served)); got.status != 200 {
		t.Fatal(got)
	}
	connect("")
	connect("GET / HT")
	connect("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	body := r.body(mark, strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 10_000), ","))
	connect(fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)) // and never reads 40 MB
	began := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 1400*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
}

func TestStopWithIdleConnectionsDoesNotWait(t *testing.T) {
	r := start(t)
	for range 20 {
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = io.WriteString(c, put(r.body(mark, "")))
		if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 {
			t.Fatal(got)
		}
	}
	began := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 400*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
}

// TestStopLetsARequestEnd stops the server while a request is being carried out; the client gets its answer.
func TestStopLetsARequestEnd(t *testing.T) {
	server, presence, tokens, _ := mocked(t)
	begun, end := make(chan struct{}), make(chan struct{})
	tokens.EXPECT().Verify("t").Return(domain.Principal{User: mark}, nil)
	presence.EXPECT().Update(gomock.Any(), gomock.Any(), gomock.Any()).Do(func(context.Context, domain.Principal, []domain.Update) {
		close(begun)
		<-end
	})
	c := dial(t, server)
	defer c.Close()
	_, _ = io.WriteString(c, put(putMark))
	<-begun
	stopped := make(chan error)
	go func() { stopped <- server.Stop(context.Background()) }()
	for !server.Stopping() {
		time.Sleep(time.Millisecond)
	}
	close(end)
	if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// TestStopCancelsAStuckRequest stops the server while the store hangs.
func TestStopCancelsAStuckRequest(t *testing.T) {
	server, presence, tokens, _ := mocked(t)
	begun := make(chan struct{})
	tokens.EXPECT().Verify("t").Return(domain.Principal{User: mark}, nil)
	presence.EXPECT().Update(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _ domain.Principal, _ []domain.Update) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	c := dial(t, server)
	defer c.Close()
	_, _ = io.WriteString(c, put(putMark))
	<-begun
	began := time.Now()
	if err := server.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 1400*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	r := start(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			me := fmt.Sprintf("user%d@example.test", i)
			c := dial(t, r.Server)
			defer c.Close()
			from := bufio.NewReader(c)
			for j := range 50 {
				body := r.body(domain.UserID(me), fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":"%d"}}`, me, j))
				_, _ = io.WriteString(c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
				want := fmt.Sprintf(`{"Type":"UserStatus","UserStatus":[{"user_id":%q,"spreed":{"status":"busy","message":"%d"}}]}`, me, j)
				if got := readAnswer(t, from); got.body != want {
					t.Errorf("%d %s, want %s", got.status, got.body, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestConfig(t *testing.T) {
	if err := http.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := http.Config{Listen: "nonsense", MaxConnections: -1, ReadTimeout: -1, TrustedProxies: []string{"localhost"}}.Validate()
	if err == nil {
		t.Fatal("nonsense is valid")
	}
	for _, key := range []string{"listen", "max_connections", "header_timeout", "read_timeout", "write_timeout", "idle_timeout",
		"anonymous_timeout", "max_streams", "max_streams_per_user", "max_watched_per_user", "max_anonymous_per_address", "max_bodies", "max_answer", "trusted_proxies"} {
		if !strings.Contains(err.Error(), "http."+key+": ") {
			t.Errorf("http.%s is not named in: %v", key, err)
		}
	}
	for _, address := range []string{"", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80"} {
		cfg := http.DefaultConfig()
		cfg.Listen = address
		if cfg.Validate() == nil {
			t.Errorf("listen %q is valid", address)
		}
	}
	for _, address := range []string{":1234", "[::1]:1234", "localhost:0", "0.0.0.0:65535"} {
		cfg := http.DefaultConfig()
		cfg.Listen = address
		if err := cfg.Validate(); err != nil {
			t.Errorf("listen %q: %v", address, err)
		}
	}
}
