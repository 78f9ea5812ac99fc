package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// behindProxy has 127.0.0.1 name users in X-Remote-User.
func behindProxy(cfg *http.Config) {
	cfg.TrustedProxies = []string{"127.0.0.1"}
	cfg.NameUsersBy("X-Remote-User")
}

// TestProxyNamesUser: a trusted proxy says who the user is, and nobody else.
func TestProxyNamesUser(t *testing.T) {
	for _, test := range []struct {
		what   string
		change func(*http.Config)
		header []string
		status int
		says   string
	}{
		{"a trusted proxy", behindProxy, []string{"X-Remote-User: markd@zarafa.com"}, 200, `"user":"markd@zarafa.com"`},
		{"in other letters", behindProxy, []string{"x-remote-USER: MarkD@Zarafa.com"}, 200, `"user":"markd@zarafa.com"`},
		{"a proxy with a password of its own", behindProxy, []string{"X-Remote-User: markd@zarafa.com", "Authorization: Basic bWFya2Q6eA=="}, 200, `"user":"markd@zarafa.com"`},
		{"a proxy that is not trusted", func(cfg *http.Config) { behindProxy(cfg); cfg.TrustedProxies = []string{"192.0.2.1"} }, []string{"X-Remote-User: markd@zarafa.com"}, 401, "missing"},
		{"who claims to come by a trusted one", func(cfg *http.Config) { behindProxy(cfg); cfg.TrustedProxies = []string{"192.0.2.1"} },
			[]string{"X-Remote-User: markd@zarafa.com", "X-Forwarded-For: 192.0.2.1"}, 401, "missing"},
		{"another header", behindProxy, []string{"X-Forwarded-User: markd@zarafa.com"}, 401, "missing"},
		{"an underscore", behindProxy, []string{"X_Remote_User: markd@zarafa.com"}, 401, "missing"},
		{"no header is configured", func(cfg *http.Config) { cfg.TrustedProxies = []string{"127.0.0.1"} }, []string{"X-Remote-User: markd@zarafa.com"}, 401, "missing"},
		{"nobody", behindProxy, []string{"X-Remote-User: "}, 401, "missing"},
		{"what is no user", behindProxy, []string{"X-Remote-User: markd"}, 401, "no user"},
		{"another user with letters that look alike", behindProxy, []string{"X-Remote-User: bo\u017f\u017f@example.test"}, 401, "no user"},
		{"a static key's name", behindProxy, []string{"X-Remote-User: key:wall"}, 401, "no user"},
		{"two", behindProxy, []string{"X-Remote-User: markd@zarafa.com", "X-Remote-User: alice@example.test"}, 401, "two users"},
		{"two in one", behindProxy, []string{"X-Remote-User: markd@zarafa.com, alice@example.test"}, 401, "no user"},
	} {
		r := start(t, test.change)
		got := sendRaw(t, r.Server, "GET", "/v1/me", "", test.header)
		if got.status != test.status || !strings.Contains(got.body, test.says) {
			t.Errorf("%s: %d %s; want %d, %s", test.what, got.status, got.body, test.status, test.says)
		}
		signed := sendRaw(t, r.Server, "GET", "/v1/sign-in", "", test.header)
		if named := signed.body == `{"user":"markd@zarafa.com","oidc":null}`; signed.status != 200 || named != (test.status == 200) {
			t.Errorf("%s: sign-in: %d %s", test.what, signed.status, signed.body)
		}
		if got := send(t, r.Server, "GET", "/v1/me", "", append(test.header[:1:1], "Authorization: Bearer "+r.tokens.Issue(alice))...); !strings.Contains(got.body, alice) {
			t.Errorf("%s: a token does not go before the header: %s", test.what, got.body)
		}
		if got := send(t, r.Server, "GET", "/v1/me", "", append(test.header[:1:1], "Authorization: Bearer 1:markd@zarafa.com:x")...); got.status != 401 {
			t.Errorf("%s: a bad token counts as none: %d %s", test.what, got.status, got.body)
		}
	}
}

// TestProxyRights: a proxy names a user, or a service, who then has the usual rights. The connections count for that user.
func TestProxyRights(t *testing.T) {
	r := start(t, behindProxy)
	const here = "Sec-Fetch-Site: same-origin"
	for _, test := range []struct {
		user, method, path, body string
		status                   int
	}{
		{mark, "PUT", "/v1/users/" + mark + "/spreed", `{"status":"busy"}`, 204},
		{mark, "PUT", "/v1/users/" + alice + "/spreed", `{"status":"busy"}`, 403},
		{mark, "GET", "/v1/export", "", 403},
		{service, "GET", "/v1/export", "", 200},
		{service, "PUT", "/v1/users/" + alice + "/spreed", `{"status":"busy"}`, 204},
	} {
		if got := send(t, r.Server, test.method, test.path, test.body, "X-Remote-User: "+test.user, here); got.status != test.status {
			t.Errorf("%s: %s %s: %d %s; want %d", test.user, test.method, test.path, got.status, got.body, test.status)
		}
	}
	if got := send(t, r.Server, "PUT", "/", (`{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"away"}}]}`), "X-Remote-User: "+mark, here); got.status == 200 {
		t.Errorf("the original API needs a token: %d %s", got.status, got.body)
	}
}

// TestAmbientWrites: a page of another server cannot have a browser change anything for a user that the proxy has signed in. Tokens are not
// concerned.
func TestAmbientWrites(t *testing.T) {
	r := start(t, behindProxy, func(cfg *http.Config) { cfg.CORSOrigins = []string{"https://intranet.example.test"} })
	for _, test := range []struct {
		header  []string
		allowed bool
	}{
		{[]string{"Sec-Fetch-Site: same-origin"}, true},
		{[]string{"Sec-Fetch-Site: same-origin", "Origin: https://presence.example.test"}, true},
		{[]string{"Host: presence.example.test", "Origin: https://presence.example.test"}, true},
		{[]string{"Host: presence.example.test", "Origin: http://presence.example.test"}, true},
		{[]string{"Host: presence.example.test:443", "Origin: https://presence.example.test"}, true},
		{[]string{"Host: presence.example.test:8443", "Origin: https://presence.example.test:8443"}, true},
		{nil, false},
		{[]string{"Host: presence.example.test", "X-Forwarded-Host: evil.example.test", "Origin: https://evil.example.test"}, false},
		{[]string{"Sec-Fetch-Site: cross-site"}, false},
		{[]string{"Sec-Fetch-Site: same-site"}, false},
		{[]string{"Sec-Fetch-Site: none"}, false},
		{[]string{"Sec-Fetch-Site: cross-site", "Host: presence.example.test", "Origin: https://presence.example.test"}, false},
		{[]string{"Host: presence.example.test", "Origin: https://evil.example.test"}, false},
		{[]string{"Host: presence.example.test", "Origin: https://intranet.example.test"}, false},
		{[]string{"Host: presence.example.test", "Origin: https://presence.example.test.evil.example"}, false},
		{[]string{"Host: presence.example.test", "Origin: https://presence.example.test:8443"}, false},
		{[]string{"Host: presence.example.test", "Origin: null"}, false},
		{[]string{"Host: presence.example.test", "Referer: https://presence.example.test/"}, false},
	} {
		for _, request := range []struct{ method, path, body string }{
			{"PUT", "/v1/users/" + mark + "/spreed", `{"status":"busy"}`},
			{"POST", "/v1/users/" + mark + "/spreed", `{"status":"busy"}`},
			{"DELETE", "/v1/users/" + mark + "/spreed", ""},
			{"POST", "/v1/users:query", `{"users":["markd@zarafa.com"]}`},
			{"POST", "/v1/import", ""},
		} {
			got := sendRaw(t, r.Server, request.method, request.path, request.body, append([]string{"X-Remote-User: " + service}, test.header...))
			if allowed := got.status < 300; allowed != test.allowed || !allowed && got.status != 403 {
				t.Errorf("%s %s, %q: %d %s", request.method, request.path, test.header, got.status, got.body)
			}
		}
		if got := sendRaw(t, r.Server, "GET", "/v1/users/"+mark, "", append([]string{"X-Remote-User: " + mark}, test.header...)); got.status != 200 {
			t.Errorf("GET, %q: %d %s", test.header, got.status, got.body)
		}
		if got := sendRaw(t, r.Server, "PUT", "/v1/users/"+mark+"/spreed", `{"status":"busy"}`, append([]string{"Authorization: Bearer " + r.tokens.Issue(mark)}, test.header...)); got.status != 204 {
			t.Errorf("PUT with a token, %q: %d %s", test.header, got.status, got.body)
		}
	}
	if got := send(t, r.Server, "PUT", "/v1/users/"+mark+"/spreed", `{"status":"busy"}`, "X-Remote-User: "+mark); !strings.Contains(r.log.String(), "page of this server") {
		t.Errorf("nobody learns why: %s\n%s", got.body, r.log.String())
	}
}

// sendRaw sends a request with a Host of its own, if there is one among the lines.
func sendRaw(t tester, server *http.Server, method, path, body string, header []string) answer {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	lines := strings.Join(header, "\r\n")
	if !strings.Contains(lines, "Host: ") {
		lines = "Host: x\r\n" + lines
	}
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\n%s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, path, strings.TrimSuffix(lines, "\r\n"), len(body), body)
	return parseAnswer(t, bufio.NewReader(c))
}

// TestAmbientStream: a stream of a user that the proxy has signed in ends when a token would, so that the proxy is asked again, and when the proxy is
// not believed any more.
func TestAmbientStream(t *testing.T) {
	begin := func(r *running) *bufio.Reader {
		t.Helper()
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET /v1/events?user="+mark+" HTTP/1.1\r\nHost: x\r\nX-Remote-User: "+mark+"\r\n\r\n")
		reader := bufio.NewReader(c)
		until(t, reader, "event: ready")
		return reader
	}
	t.Run("its time is up", func(t *testing.T) {
		r := start(t, behindProxy)
		cfg := auth.DefaultConfig()
		cfg.Secret, cfg.TokenExpire = setting.NewSecret(secret), 2*time.Second
		if err := r.tokens.(*auth.Tokens).Configure(cfg); err != nil {
			t.Fatal(err)
		}
		until(t, begin(r), `{"reason":"expired"}`)
	})
	t.Run("the proxy is not trusted any more", func(t *testing.T) {
		cfg := localConfig()
		behindProxy(&cfg)
		r := start(t, behindProxy)
		stream := begin(r)
		r.Configure(cfg)
		r.knows(t, mark, spreed, domain.Busy, "still there")
		until(t, stream, "still there")
		cfg.NameUsersBy("")
		r.Configure(cfg)
		until(t, stream, `{"reason":"expired"}`)
	})
}

// until reads lines until one has a text in it.
func until(t testing.TB, from *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatalf("before %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

// TestUnixProxy: whoever may connect to the Unix socket is a trusted proxy.
func TestUnixProxy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	startUnix(t, path, func(cfg *http.Config) { cfg.NameUsersBy("X-Remote-User") })
	c := dialUnix(t, path)
	_, _ = io.WriteString(c, "GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Remote-User: markd@zarafa.com\r\n\r\n")
	if got := parseAnswer(t, bufio.NewReader(c)); got.status != 200 || !strings.Contains(got.body, mark) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestProxyConfig: it must be clear who may name users, and no page of the world may use that.
func TestProxyConfig(t *testing.T) {
	for _, test := range []struct {
		change func(*http.Config)
		want   string
	}{
		{func(*http.Config) {}, ""},
		{func(c *http.Config) { c.TrustedProxies = nil }, "auth.proxy_header: it needs http.trusted_proxies"},
		{func(c *http.Config) { c.TrustedProxies, c.Listen = nil, "unix:/run/x.sock" }, ""},
		{func(c *http.Config) { c.TrustedProxies = []string{"0.0.0.0/0"} }, "http.trusted_proxies: 0.0.0.0/0"},
		{func(c *http.Config) { c.TrustedProxies = []string{"::/0"} }, "http.trusted_proxies: ::/0"},
		{func(c *http.Config) { c.CORSOrigins = []string{"*"} }, "http.cors_origins: *"},
		{func(c *http.Config) { c.CORSOrigins = []string{"https://intranet.example.test"} }, ""},
		{func(c *http.Config) { c.NameUsersBy(""); c.TrustedProxies, c.CORSOrigins = nil, []string{"*"} }, ""},
	} {
		cfg := localConfig()
		behindProxy(&cfg)
		test.change(&cfg)
		if err := cfg.Validate(); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("want %q: %v", test.want, err)
		}
	}
}
