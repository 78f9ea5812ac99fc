package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// stream is a client's side of an event stream.
type stream struct {
	net.Conn
	head  nethttp.Header
	lines *bufio.Reader
}

// watch asks for events. An answer that is no stream is a failure.
func (r *running) watch(t tester, by domain.UserID, method, target, body string, headers ...string) *stream {
	t.Helper()
	s, refused := r.tryWatch(t, method, target, body, append(headers, "Authorization: Bearer "+r.tokens.Issue(by))...)
	if s == nil {
		t.Fatalf("%s %s: %d %s", method, target, refused.status, refused.body)
	}
	return s
}

func (r *running) tryWatch(t tester, method, target, body string, headers ...string) (*stream, answer) {
	t.Helper()
	c := dial(t, r.Server)
	t.Cleanup(func() { _ = c.Close() })
	lines := bufio.NewReader(c)
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n\r\n%s", method, target, len(body), strings.Join(headers, "\r\n"), body)
	response, err := nethttp.ReadResponse(lines, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	if response.StatusCode != nethttp.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return nil, answer{status: response.StatusCode, header: response.Header, body: string(text)}
	}
	return &stream{Conn: c, head: response.Header, lines: bufio.NewReader(response.Body)}, answer{}
}

// until returns what comes, up to an event that contains the text.
func (s *stream) until(t tester, text string) string {
	t.Helper()
	var all strings.Builder
	for found := false; ; {
		line, err := s.lines.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			t.Fatalf("waiting for %q: %v after\n%s", text, err, all.String())
		}
		found = found || strings.Contains(line, text)
		if found && line == "\n" {
			return all.String()
		}
	}
}

// TestEvents has one user watch, by either method, what another does by the original API.
func TestEvents(t *testing.T) {
	r := start(t)
	r.knows(t, alice, xmpp, domain.Away, "")
	const list = `{"users":["MARKD@zarafa.com","alice@example.test","markd@zarafa.com"]}`
	for name, s := range map[string]*stream{
		"GET":                r.watch(t, mark, "GET", "/v1/events?user=MARKD%40zarafa.com&user=alice@example.test", ""),
		"POST":               r.watch(t, mark, "POST", "/v1/events", list),
		"GET of everybody":   r.watch(t, service, "GET", "/v1/events", ""),
		"POST for everybody": r.watch(t, service, "POST", "/v1/events", "{}"),
	} {
		for header, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no",
			"Content-Length": "", "Content-Encoding": "",
		} {
			if got := s.head.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		snapshot := s.until(t, "event: ready")
		if !strings.HasPrefix(snapshot, "retry: 2000\n\n") || strings.Count(snapshot, `{"user":"alice@example.test","status":"away"`) != 1 ||
			strings.Count(snapshot, `{"user":"markd@zarafa.com",`) > 1 {
			t.Errorf("%s begins with\n%s", name, snapshot)
		}
		message := "from " + name
		if got := r.do(t, "PUT", r.body(mark, fmt.Sprintf(`{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":%q}}`, message))); got.status != 200 {
			t.Fatal(got)
		}
		news := s.until(t, strconv.Quote(message))
		if !strings.Contains(news, fmt.Sprintf("event: presence\nid: %d\ndata: {\"user\":\"markd@zarafa.com\",\"status\":\"busy\"", r.core.Feed.Revision())) {
			t.Errorf("%s then has\n%s", name, news)
		}
	}
}

// TestEventsAreAboutTheIDsThatWereAskedFor: in lower case, however the user is spelt elsewhere.
func TestEventsAreAboutTheIDsThatWereAskedFor(t *testing.T) {
	r := start(t)
	put := func(message string) {
		t.Helper()
		body := fmt.Sprintf(`{"user_id":"alice@bücher.test","spreed":{"status":"busy","message":%q}}`, message)
		if got := r.do(t, "PUT", r.body(service, body)); got.status != 200 {
			t.Fatal(got)
		}
	}
	put("first")
	s := r.watch(t, mark, "POST", "/v1/events", `{"users":["Alice@XN--BCHER-KVA.test","alice@bu\u0308cher.test","weiß@example.test"]}`)
	usual := r.watch(t, mark, "POST", "/v1/events", `{"users":["alice@BÜCHER.test"]}`)
	for _, text := range []string{s.until(t, "event: ready"), func() string { put("second"); return s.until(t, `bücher.test","status":"busy","message":"second"`) }()} {
		for _, id := range []string{"alice@xn--bcher-kva.test", "alice@bücher.test"} {
			if strings.Count(text, `{"user":"`+id+`","status":"busy"`) != 1 {
				t.Errorf("%s is not told once in\n%s", id, text)
			}
		}
		if strings.Contains(text, `"alice@bücher.test"`) {
			t.Errorf("a spelling is told that was not asked for:\n%s", text)
		}
	}
	if text := usual.until(t, "second"); !strings.Contains(text, `{"user":"alice@bücher.test","status":"busy"`) || strings.Contains(text, "xn--") {
		t.Errorf("who asked for the usual spelling is told\n%s", text)
	}
	put("third")
	if text := usual.until(t, "third"); !strings.Contains(text, `{"user":"alice@bücher.test"`) {
		t.Errorf("then\n%s", text)
	}
	if got := r.v1(t, mark, "GET", "/v1/users/alice@xn--bcher-kva.test", ""); !strings.Contains(got.body, `"user":"alice@xn--bcher-kva.test","status":"busy"`) {
		t.Errorf("GET: %s", got.body)
	}
}

func TestEventsOfNobody(t *testing.T) {
	r := start(t)
	r.knows(t, alice, xmpp, domain.Away, "")
	if got := r.watch(t, mark, "POST", "/v1/events", `{"users":[]}`).until(t, "event: ready"); strings.Contains(got, "presence") {
		t.Errorf("whoever asks for nobody is told\n%s", got)
	}
}

func TestEventsResume(t *testing.T) {
	r := start(t)
	r.knows(t, alice, xmpp, domain.Away, "")
	r.knows(t, mark, xmpp, domain.Away, "")
	const target = "/v1/events?user=markd@zarafa.com&user=alice@example.test"
	for _, c := range []struct {
		target, header string
		states         int
		reset          bool
	}{
		{target, "", 2, false},
		{target + "&since=0", "", 2, false},
		{target + "&since=1", "", 1, false},
		{target + "&since=2", "", 0, false},
		{target, "Last-Event-ID: 1", 1, false},
		{target + "&since=1", "Last-Event-ID: 2", 0, false},
		{target + "&since=2", "Last-Event-ID: of another server", 2, true},
		{target + "&since=2", "Last-Event-ID: 3", 2, true},
	} {
		headers := []string{}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		got := r.watch(t, mark, "GET", c.target, "", headers...).until(t, "event: ready")
		if strings.Count(got, "event: presence") != c.states || strings.Contains(got, "event: reset\ndata: {}\n\n") != c.reset {
			t.Errorf("%s with %q begins with\n%s", c.target, c.header, got)
		}
	}
}

func TestEventsRefused(t *testing.T) {
	r := start(t)
	token := "Authorization: Bearer " + r.tokens.Issue(mark)
	for _, c := range []struct {
		method, target, header, body string
		status                       int
		detail, challenge            string
	}{
		{"GET", "/v1/events?user=markd@zarafa.com", "X: y", "", 401, "the token is missing", `Bearer realm="presence"`},
		{"GET", "/v1/events?user=markd@zarafa.com", "Authorization: Basic eDp5", "", 401, "the token is missing", `Bearer realm="presence"`},
		{"GET", "/v1/events?user=markd@zarafa.com", token + "x", "", 401, "", `Bearer realm="presence", error="invalid_token"`},
		{"GET", "/v1/events", token, "", 403, "only services may ask for everybody", ""},
		{"POST", "/v1/events", token, "{}", 403, "only services may ask for everybody", ""},
		{"GET", "/v1/events?users=markd@zarafa.com", token, "", 400, "users is not known", ""},
		{"GET", "/v1/events?user=markd@zarafa.com&since=x", token, "", 400, "since", ""},
		{"GET", "/v1/events?user=markd", token, "", 422, "", ""},
		{"POST", "/v1/events", token, `{"users":["markd@zarafa.com","nonsense"]}`, 422, "", ""},
		{"POST", "/v1/events", token, `{"users":["nonsense","markd@zarafa.com","alice"]}`, 422, "", ""},
		{"POST", "/v1/events", token, `{"users":"markd@zarafa.com"}`, 400, "", ""},
		{"POST", "/v1/events", token, `{`, 400, "", ""},
		{"POST", "/v1/events", token, `{"users":[` + strings.TrimSuffix(strings.Repeat(`"markd@zarafa.com",`, 10_001), ",") + `]}`, 413, "", ""},
		{"POST", "/v1/events?user=markd@zarafa.com", token, "{}", 400, "no query", ""},
		{"PUT", "/v1/events", token, "", 405, "", ""},
	} {
		s, got := r.tryWatch(t, c.method, c.target, c.body, c.header)
		if s != nil {
			t.Errorf("%s %s %.40s: a stream", c.method, c.target, c.body)
			continue
		}
		p := got.problem(t)
		if got.status != c.status || !strings.Contains(p.Detail, c.detail) || got.header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s %s %.40s: %d %s %s", c.method, c.target, c.body, got.status, got.header, got.body)
		}
		if c.status == 422 && (len(p.Errors) != 1+strings.Count(c.body, "alice") || !strings.Contains(p.Errors[0].Detail, "invalid user")) {
			t.Errorf("%s %s %.40s: %s", c.method, c.target, c.body, got.body)
		}
	}
}

// TestEventsCount: streams have places of their own, which are free again when they have gone.
func TestEventsCount(t *testing.T) {
	r := start(t, func(c *http.Config) { c.MaxConnections, c.MaxStreams = 2, 2 })
	first, second := r.watch(t, mark, "GET", "/v1/events?user="+mark, ""), r.watch(t, mark, "GET", "/v1/events?user="+mark, "")
	first.until(t, "ready")
	second.until(t, "ready")
	third := fmt.Sprintf("GET /v1/events?user=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", mark, r.tokens.Issue(mark))
	if got := raw(t, r.Server, third); got.status != 503 || !strings.Contains(got.body, "streams") {
		t.Errorf("a third stream is answered with %d %s", got.status, got.body)
	}
	eventually(t, func() bool { // the server closes the refused one's connection after its answer
		plain, _, _, _ := r.Connections()
		return plain == 0
	})
	for range 2 { // both connections are there for other requests
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = io.WriteString(c, put(r.body(mark, "")))
		if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 {
			t.Errorf("a request beside the streams is answered with %d %s", got.status, got.body)
		}
	}
	c := dial(t, r.Server)
	if got := readAnswer(t, bufio.NewReader(c)); got.status != 503 {
		t.Errorf("a third connection is answered with %d", got.status)
	}
	_ = c.Close()
	_ = first.Close() // it has nothing to be told
	eventually(t, func() bool { return r.Streams() == 1 })
	r.knows(t, mark, xmpp, domain.Away, "")
	second.until(t, `"away"`)
}

// TestEventsEndWithTheToken has the real tokens expire.
func TestEventsEndWithTheToken(t *testing.T) {
	r := start(t)
	cfg := auth.DefaultConfig()
	cfg.Secret, cfg.TokenExpire = setting.NewSecret(secret), 1500*time.Millisecond
	tokens, err := auth.New(cfg, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	brief := &running{core: r.core, tokens: tokens}
	brief.Server = startServer(t, localConfig(), r.core, tokens, io.Discard)
	began := time.Now()
	brief.watch(t, mark, "GET", "/v1/events?user="+mark, "").until(t, `data: {"reason":"expired"}`)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stream ended after %v", took)
	}
}

// TestStopEndsStreams stops a server with many streams. Some are not read. Those who listen are told, and no descriptor is left.
func TestStopEndsStreams(t *testing.T) {
	before := descriptors(t)
	r := start(t)
	for i := range 200 {
		r.knows(t, domain.UserID(fmt.Sprintf("user%d@example.test", i)), xmpp, domain.Away, strings.Repeat("x", 4000))
	}
	var listening []*stream
	var all []net.Conn
	for i := range 60 {
		if i%3 == 0 { // never reads
			c := dial(t, r.Server)
			_ = c.SetReadBuffer(4096)
			_, _ = fmt.Fprintf(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.tokens.Issue(service))
			all = append(all, c)
			continue
		}
		s := r.watch(t, mark, "GET", "/v1/events?user="+mark, "")
		s.until(t, "ready")
		listening, all = append(listening, s), append(all, s.Conn)
	}
	began := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 1200*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
	for _, s := range listening {
		s.until(t, `data: {"reason":"stopping"}`)
		if rest, err := io.ReadAll(s.lines); err != nil || len(rest) > 0 {
			t.Errorf("after the end there is %q, %v", rest, err)
		}
	}
	for _, c := range all {
		_ = c.Close()
	}
	for end := time.Now().Add(10 * time.Second); descriptors(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are left of %d", descriptors(t), before)
		}
	}
}

// descriptors returns how many file descriptors this process has open.
func descriptors(t tester) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
