package fanout_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

const service = "meetings@example.test"

func newTokens() (*auth.Tokens, error) {
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.Services, cfg.TokenExpire = setting.NewSecret("correct horse battery staple"), []string{service}, time.Hour
	return auth.New(cfg, clock.New())
}

// runSubject is the role of the daemon: its HTTP server, over a store in memory.
func runSubject() error { return runDaemon(&domain.Visibility{}, nil) }

// runRuled is the same with ten rules of every kind. The last one matches the viewers.
func runRuled() error { return runWithRules(nil) }

func runWithRules(prepare func(*coretest.Core, *http.Server) error) error {
	var rules []domain.VisibilityRule
	for _, r := range [][3]string{
		{"boss@example.test", "*", "all"},
		{"group:helpdesk", "*@example.test", "all"},
		{"*@guests.test", "*", "nothing"},
		{"service", "*", "all"},
		{"key:pbx", "*", "status"},
		{"*", "group:board", "status"},
		{"group:board", "group:helpdesk", "all"},
		{"*@example.test", "*", "all"},
		{"*", "anna@example.test", "nothing"},
		{"*@zarafa.com", "*@example.test", "all"},
	} {
		rules = append(rules, domain.VisibilityRule{Viewer: r[0], User: r[1], Sees: r[2]})
	}
	visibility, err := domain.NewVisibility(rules, domain.UserList{})
	if err != nil {
		return err
	}
	return runDaemon(visibility, prepare)
}

// runDaemon runs a daemon with rules. Before it says on which port, it is prepared further, unless prepare is nil.
func runDaemon(rules *domain.Visibility, prepare func(*coretest.Core, *http.Server) error) error {
	tokens, err := newTokens()
	if err != nil {
		return err
	}
	core := coretest.Start(fatal{})
	groups := make(map[domain.UserID][]string, subscribers)
	for i := range subscribers {
		groups[domain.UserID(viewer(i))] = []string{"sales"}
	}
	core.Groups.Set(groups)
	core.Sights.Configure(rules)
	cfg := http.DefaultConfig()
	cfg.Listen, cfg.MaxConnections, cfg.MaxStreams, cfg.IdleTimeout = "127.0.0.1:0", 50_000, 50_000, time.Hour
	cfg.MaxAnonymousPerAddress = 50_000
	server := http.New(cfg, http.Operations{}, core.Presence, core.Feed, core.Directory, nothing{}, core.Backup, nothing{}, tokens, core.Clock, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err := server.Start(context.Background()); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(core, server); err != nil {
			return err
		}
	}
	collectOnSignal()
	fmt.Println(server.Addr().(*net.TCPAddr).Port)
	untilEnd()
	return server.Stop(context.Background())
}

// fatal is a coretest.T for a process that is no test.
type fatal struct{}

func (fatal) Helper()                           {}
func (fatal) Cleanup(func())                    {} // the process ends
func (fatal) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (fatal) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (fatal) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// nothing is a ports.Readiness that is ready, and ports.Sources that are none.
type nothing struct{}

func (nothing) Ready() error                       { return nil }
func (nothing) KnownUntil() domain.Timestamp       { return 0 }
func (nothing) Statuses() []domain.SourceStatus    { return nil }
func (nothing) Unmapped() ([]domain.Unmapped, int) { return nil, 0 }

var (
	_ ports.Readiness = nothing{}
	_ ports.Sources   = nothing{}
)

// collectOnSignal makes a process that is sent SIGUSR1 give back what memory it does not need, as it would by itself within minutes, and say so.
func collectOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for range signals {
			debug.FreeOSMemory()
			debug.FreeOSMemory() // what sync.Pool had is free only now
			fmt.Println("collected")
		}
	}()
}

// bare is the reference: the simplest broadcaster that is any good. Whatever was published is one text; each subscriber has a place in it, and is
// written all that is after, at once. What a connection does not take is tried again.
type bare struct {
	mu   sync.Mutex
	text []byte
	wake []chan struct{}
	new  [][]*place
}

type place struct {
	conn *net.TCPConn
	raw  syscall.RawConn
	at   int
}

const (
	bareHead    = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nready\n\n"
	bareWriters = 2
)

// runBare is the role of the reference.
func runBare() error {
	b := &bare{new: make([][]*place, bareWriters)}
	for i := range bareWriters {
		b.wake = append(b.wake, make(chan struct{}, 1))
		go b.write(i)
	}
	turn := 0
	server := &fasthttp.Server{KeepHijackedConns: true}
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		if ctx.IsPost() {
			b.publish(ctx.PostBody())
			return
		}
		conn := ctx.Conn().(*net.TCPConn)
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(net.Conn) {
			raw, _ := conn.SyscallConn()
			_, _ = io.WriteString(conn, bareHead)
			b.mu.Lock()
			b.new[turn%bareWriters] = append(b.new[turn%bareWriters], &place{conn: conn, raw: raw, at: len(b.text)})
			turn++
			b.mu.Unlock()
		})
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	collectOnSignal()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() { _ = server.Serve(listener) }()
	untilEnd()
	return nil
}

func (b *bare) publish(event []byte) {
	b.mu.Lock()
	b.text = append(b.text, event...)
	b.mu.Unlock()
	for _, wake := range b.wake {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func (b *bare) write(i int) {
	var places []*place
	blocked := false
	for {
		if blocked {
			select {
			case <-b.wake[i]:
			case <-time.After(time.Millisecond):
			}
		} else {
			<-b.wake[i]
		}
		blocked = false
		b.mu.Lock()
		text := b.text
		places, b.new[i] = append(places, b.new[i]...), nil
		b.mu.Unlock()
		for _, p := range places {
			if p.at < len(text) {
				_ = p.raw.Write(func(fd uintptr) bool {
					n, _ := syscall.Write(int(fd), text[p.at:])
					p.at += max(n, 0)
					return true
				})
				blocked = blocked || p.at < len(text)
			}
		}
	}
}

// target is a server that is measured.
type target struct {
	port      int
	process   *child // unless it is nchan
	publisher net.Conn
	answers   *bufio.Reader
	request   func(number int) string // that publishes an event
}

// dial opens the connection by which events are published.
func (t *target) dial(b *testing.B) {
	b.Helper()
	var err error
	if t.publisher, err = net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(t.port)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.publisher.Close() })
	t.answers = bufio.NewReader(t.publisher)
}

// send sends a request by which something is published, and waits for the answer.
func (t *target) send(b *testing.B, request string) {
	b.Helper()
	if t.publisher == nil {
		t.dial(b)
	}
	if _, err := io.WriteString(t.publisher, request); err != nil {
		b.Fatal(err)
	}
	response, err := nethttp.ReadResponse(t.answers, nil)
	if err != nil {
		b.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		b.Fatalf("publishing: %s %s", response.Status, text)
	}
}

func post(method, path, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

// cycle is how many users change in turns. Nobody lags so far behind that a user has changed again.
const cycle = 30_000

// viewer is one of the users who follow others, in the benchmarks with rules.
func viewer(i int) string { return fmt.Sprintf("viewer%06d@zarafa.com", i) }

func user(i int) string { return fmt.Sprintf("user%06d@example.test", i) }

func startSubject(b *testing.B) *target {
	b.Helper()
	return startDaemon(b, "subject")
}

// startDaemon starts the daemon in one of its roles.
func startDaemon(b *testing.B, role string) *target {
	b.Helper()
	tokens, err := newTokens()
	if err != nil {
		b.Fatal(err)
	}
	t := &target{process: play(b, role)}
	t.port, err = strconv.Atoi(t.process.line(b))
	if err != nil {
		b.Fatal(err)
	}
	t.request = func(number int) string { return put(tokens, number, user(number%cycle)) }
	return t
}

// put makes the request that changes some users.
func put(tokens ports.Tokens, number int, users ...string) string {
	var entries []string
	for i, u := range users {
		entries = append(entries, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"available","message":"%0*d"}}`, u, numberDigits, number+i))
	}
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, tokens.Issue(service), strings.Join(entries, ","))
	return post("PUT", "/", body)
}

// documentOf is what the daemon sends about a change, in the same number of bytes.
func documentOf(number int) string {
	const at = "2026-11-23T02:26:48.651Z"
	return fmt.Sprintf(`{"user":%q,"status":"available","message":"%0*d","activity":null,"by":"spreed","reason":"only","rule":null,"since":%q,"stale":false,"revision":%d,`+
		`"protocols":{"spreed":{"status":"available","message":"%0*d","activity":null,"since":%q,"idle_since":null,"updated":%q,"expires":null,"stale":false}}}`,
		user(number%cycle), numberDigits, number, at, number+1, numberDigits, number, at, at)
}

func startBare(b *testing.B) *target {
	b.Helper()
	t := &target{process: play(b, "bare")}
	var err error
	if t.port, err = strconv.Atoi(t.process.line(b)); err != nil {
		b.Fatal(err)
	}
	t.request = func(number int) string {
		return post("POST", "/", fmt.Sprintf("event: presence\nid: %d\ndata: %s\n\n", number+1, documentOf(number)))
	}
	return t
}

const nchanConfig = `
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 19000; }
http {
	access_log off;
	nchan_shared_memory_size 128M;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	keepalive_timeout 1h;
	server {
		listen 127.0.0.1:%[2]d backlog=4096;
		location = /sub {
			nchan_subscriber eventsource;
			nchan_channel_id everybody;
			nchan_subscriber_first_message newest;
		}
		location = /pub {
			nchan_publisher;
			nchan_channel_id everybody;
			nchan_message_buffer_length 1000;
			nchan_message_timeout 1m;
		}
	}
}
`

// listening waits until a server can be connected to.
func (t *target) listening(b *testing.B) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(t.port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			b.Fatal(err)
		}
	}
}

func startNchan(b *testing.B) *target {
	b.Helper()
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t := &target{port: free.Addr().(*net.TCPAddr).Port}
	_ = free.Close()
	dir := b.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nchanConfig, dir, t.port), 0o600); err != nil {
		b.Fatal(err)
	}
	nginx := exec.Command("/usr/sbin/nginx", "-c", config, "-p", dir)
	var said bytes.Buffer
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		b.Fatalf("nginx, from Debian's packages nginx and libnginx-mod-nchan: %v", err)
	}
	b.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		if err := nginx.Wait(); err != nil {
			b.Errorf("nginx: %v\n%s", err, &said)
		}
	})
	t.request = func(number int) string {
		body := documentOf(number)
		return fmt.Sprintf("POST /pub HTTP/1.1\r\nHost: 127.0.0.1\r\nX-EventSource-Event: presence\r\nContent-Type: application/json\r\nAccept: text/plain\r\nContent-Length: %d\r\n\r\n%s",
			len(body), body)
	}
	t.listening(b)
	return t
}
