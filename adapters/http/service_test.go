package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(complete{m},
		// fasthttp starts it once and for ever, to keep the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

const secret = "correct horse battery staple"

// The users of most tests. The service may update everybody.
const (
	mark    = "markd@zarafa.com"
	alice   = "alice@example.test"
	service = "meetings@example.test"
)

// tester is what the tests and benchmarks need of *testing.T and *testing.B.
type tester interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// running is a server over the real use cases and tokens.
type running struct {
	*http.Server
	core   *coretest.Core
	tokens ports.Tokens
	log    *logged
}

// logged keeps what was logged.
type logged = syncbuffer.Buffer

// loading is a ports.Readiness.
type loading struct{ done atomic.Bool }

func (l *loading) Ready() error {
	if l.done.Load() {
		return nil
	}
	return ports.ErrLoading
}

// someSources is a ports.Sources with one source in each of three states.
type someSources struct{}

// KnownUntil says that the journal can be followed.
func (someSources) KnownUntil() domain.Timestamp { return 0 }

// Unmapped has a name of two letters that JSON escapes.
func (someSources) Unmapped() ([]domain.Unmapped, int) {
	return []domain.Unmapped{{Protocol: domain.MustProtocol("irc"), Name: `\"`, Times: 3}}, 7
}

func (someSources) Statuses() []domain.SourceStatus {
	at := domain.TimestampOf(time.Date(2026, 11, 23, 9, 0, 0, 250e6, time.UTC))
	return []domain.SourceStatus{
		{Protocol: domain.MustProtocol("irc"), State: domain.SourceStandby, Since: at},
		{Protocol: domain.MustProtocol("sip"), State: domain.SourceRejected, Since: at, Error: `the server said "no"`, RetryAt: at.Add(5 * time.Minute)},
		{Protocol: xmpp, State: domain.SourceSynced, Since: at, Users: 42, AsOf: at.Add(-time.Minute)},
	}
}

// operations says that the daemon is ready, and exports one metric.
var operations = http.Operations{Health: healthy{}, Metrics: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, "presence_ready 1\n")
})}

// healthy is a ports.Health.
type healthy struct{ not bool }

func (h healthy) Ready() bool { return !h.not }

func (healthy) States() []ports.PartState {
	return []ports.PartState{{Part: "daemon", State: "running"}, {Part: "source xmpp", State: "synced"}}
}

func localConfig() http.Config {
	cfg := http.DefaultConfig()
	cfg.Listen, cfg.MaxAnonymousPerAddress = "127.0.0.1:0", 1000 // benchmarks connect all clients before one sends anything
	cfg.RatePerUser, cfg.RatePerAddress = 1_000_000, 1_000_000   // and ask as quickly as they can
	return cfg
}

// Clients may set spreed, manual and board, and only read xmpp.
var (
	spreed = coretest.Spreed
	xmpp   = coretest.XMPP
)

func newTokens(t tester) *auth.Tokens {
	t.Helper()
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.Services = setting.NewSecret(secret), []string{service, seer}
	tokens, err := auth.New(cfg, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func start(t tester, change ...func(*http.Config)) *running {
	t.Helper()
	cfg := localConfig()
	for _, c := range change {
		c(&cfg)
	}
	return startWith(t, cfg, coretest.Start(t))
}

func startWith(t tester, cfg http.Config, core *coretest.Core) *running {
	t.Helper()
	r := &running{core: core, tokens: newTokens(t), log: new(logged)}
	r.Server = startServer(t, cfg, core, r.tokens, r.log)
	return r
}

// startServer starts a server over any use case, and stops it after the test.
func startServer(t tester, cfg http.Config, core *coretest.Core, tokens ports.Tokens, log io.Writer) *http.Server {
	t.Helper()
	var loaded loading
	loaded.done.Store(true)
	server := http.New(cfg, operations, core.Presence, core.Feed, core.Directory, someSources{}, core.Backup, &loaded, tokens, core.Clock, slog.New(slog.NewTextHandler(log, nil)))
	if err := server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return server
}

// knows makes the core know a presence that no client could set.
func (r *running) knows(t tester, user domain.UserID, protocol domain.Protocol, status domain.Status, message string) {
	t.Helper()
	r.core.Change(t, user, protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{}, now)
	})
}

// state renders everything that is stored.
func (r *running) state() string {
	var b strings.Builder
	r.core.Each(func(user domain.UserID, presences domain.Presences) bool {
		fmt.Fprintf(&b, "%s %+v\n", user, presences)
		return true
	})
	return b.String()
}

// body renders a request's document with a valid token for the user.
func (r *running) body(user domain.UserID, entries string) string {
	return fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, r.tokens.Issue(user), entries)
}

// client does not keep connections, so that each test ends with none.
var client = &nethttp.Client{Transport: documented(&nethttp.Transport{DisableKeepAlives: true}), Timeout: 10 * time.Second}

type answer struct {
	status int
	header nethttp.Header
	body   string
}

func (r *running) do(t tester, method, body string) answer { return do(t, r.Server, method, "/", body) }

func do(t tester, server *http.Server, method, path, body string) answer {
	t.Helper()
	request, err := nethttp.NewRequest(method, "http://"+server.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(text)}
}

// raw sends bytes as they are, ends the sending side, and reads the first answer. A connection that is closed without one has status 0.
func raw(t tester, server *http.Server, request string) answer {
	t.Helper()
	c := dial(t, server)
	defer c.Close()
	go func() { // the server may answer before it has read everything
		_, _ = io.WriteString(c, request)
		_ = c.CloseWrite()
	}()
	got := parseAnswer(t, bufio.NewReader(c))
	if got.status != 0 {
		isDocumented(t, request, got)
	}
	return got
}

func dial(t tester, server *http.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// readAnswer reads the answer to a request of the original API.
func readAnswer(t tester, from *bufio.Reader) answer {
	t.Helper()
	got := parseAnswer(t, from)
	if got.status != 0 {
		request := "POST / HTTP/1.1"
		if got.body == "" {
			request = "PUT / HTTP/1.1"
		}
		isDocumented(t, request, got)
	}
	return got
}

func parseAnswer(t tester, from *bufio.Reader) answer {
	t.Helper()
	if _, err := from.Peek(1); err != nil {
		return answer{}
	}
	response, err := nethttp.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(text)}
}

// problem is how a client reads a refusal.
type problem struct {
	Type, Title, Detail string
	Status              int
	Errors              []struct{ Pointer, Parameter, Detail string }
}

// problem checks that an answer is a well-formed refusal.
func (a answer) problem(t tester) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("status %d with a body that is not a problem: %v\n%s", a.status, err, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type of a %d is %q", a.status, got)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" {
		t.Errorf("incomplete problem with status %d: %s", a.status, a.body)
	}
	return p
}
