package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// refused returns how many requests were refused, by reason.
func refused(r *running) map[string]uint64 {
	counts := make(map[string]uint64)
	r.EachRefusal(func(reason string, count uint64) { counts[reason] = count })
	return counts
}

// oneASecond allows one request a second, and so four at once.
func oneASecond(cfg *http.Config) { cfg.RatePerUser, cfg.RatePerAddress = 1, 1 }

// statuses counts the answers to many requests on one connection, by status. Those with 429 must say when to come back, and why.
func statuses(t *testing.T, r *running, n int, request, why string) map[int]int {
	t.Helper()
	c := dial(t, r.Server)
	defer c.Close()
	answers, counts := bufio.NewReader(c), make(map[int]int)
	for range n {
		_, _ = io.WriteString(c, request)
		got := parseAnswer(t, answers)
		isDocumented(t, request, got)
		if counts[got.status]++; got.status == 429 && (got.header.Get("Retry-After") != "1" || !strings.Contains(got.problem(t).Detail, why)) {
			t.Errorf("%v %s", got.header, got.body)
		}
	}
	return counts
}

func bearer(token string) string {
	return "GET /v1/users/markd@zarafa.com HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"
}

// TestRatePerUser has one user ask again and again, on both APIs, by every kind of request. Other users and services are served.
func TestRatePerUser(t *testing.T) {
	r := start(t, oneASecond)
	for name, hammer := range map[domain.UserID]func(user domain.UserID) string{
		"a@example.test": func(user domain.UserID) string { return request("GET", r.body(user, entry(1))) },
		"b@example.test": func(user domain.UserID) string { return request("PUT", r.body(user, "")) },
		"c@example.test": func(user domain.UserID) string { return request("GET", r.body(user, long(100))) },
		"d@example.test": func(user domain.UserID) string { return bearer(r.tokens.Issue(user)) },
	} {
		if got := statuses(t, r, 15, hammer(name), "http.rate_per_user"); got[200] < 4 || got[429] < 5 || got[200]+got[429] != 15 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := statuses(t, r, 50, bearer(r.tokens.Issue(service)), ""); got[200] != 50 {
		t.Errorf("a service: %v", got)
	}
	if got := statuses(t, r, 4, bearer(r.tokens.Issue(alice)), ""); got[200] != 4 {
		t.Errorf("another user: %v", got)
	}
	if !strings.Contains(r.log.String(), `refused a request" status=429 why="this user makes more requests`) {
		t.Errorf("log: %s", r.log.String())
	}
	if n := refused(r)["rate_per_user"]; n < 20 {
		t.Errorf("%d refusals are counted", n)
	}
	r.Configure(func() http.Config { cfg := localConfig(); cfg.RatePerUser = 100; return cfg }())
	if got := statuses(t, r, 300, bearer(r.tokens.Issue(mark)), ""); got[200] != 300 {
		t.Errorf("with another limit: %v", got)
	}
}

// long renders a list of users whose answer the server may keep.
func long(n int) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = entry(i)
	}
	return strings.Join(entries, ",")
}

// TestRatePerAddress sends wrong tokens, and other requests that show none. Whoever has a valid token at the same address is served, and so is a
// browser that loads the pages, and a page's preflight.
func TestRatePerAddress(t *testing.T) {
	r := start(t, oneASecond, func(cfg *http.Config) { cfg.CORSOrigins = []string{"*"} })
	if got := statuses(t, r, 20, bearer("1415697944:markd@zarafa.com:SLDJMBNNFNN5/RIXFJPXVKCKNV6SBHYGLFLE5G/TVLY="), "http.rate_per_address"); got[401] < 4 || got[429] < 5 {
		t.Errorf("wrong tokens: %v", got)
	}
	for name, request := range map[string]string{
		"no token":             withoutToken,
		"a wrong one in a GET": request("GET", `{"AuthenticationToken":"1:x:y","Type":"UserStatus","UserStatus":[]}`),
		"not JSON":             request("PUT", "x"),
		"no path":              "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
		"no method":            "PUT /v1/sources HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	} {
		if got := statuses(t, r, 10, request, "http.rate_per_address"); got[429] < 5 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := statuses(t, r, 50, bearer(r.tokens.Issue(service)), ""); got[200] != 50 {
		t.Errorf("a valid token: %v", got)
	}
	if got := statuses(t, r, 50, "GET /client.js HTTP/1.1\r\nHost: x\r\n\r\n", ""); got[200] != 50 {
		t.Errorf("a file: %v", got)
	}
	preflight := "OPTIONS /v1/sources HTTP/1.1\r\nHost: x\r\nOrigin: https://x.example.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
	if got := statuses(t, r, 50, preflight, ""); got[204] != 50 {
		t.Errorf("a preflight: %v", got)
	}
	if counts := refused(r); counts["rate_per_address"] < 30 || counts["unauthenticated"] < 40 {
		t.Errorf("counted: %v", counts)
	}
}

// TestABodyIsNotReadForNothing: the token of the original API is in the body. Once an address is refused, a large body of a connection that has
// shown no token is not waited for; one that has is served.
func TestABodyIsNotReadForNothing(t *testing.T) {
	r := start(t, oneASecond)
	known := r.known(t)
	statuses(t, r, 10, withoutToken, "")
	c := dial(t, r.Server)
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"+strings.Repeat(" ", 10_000)) // the rest never comes
	if got := parseAnswer(t, bufio.NewReader(c)); got.status != 429 {
		t.Errorf("a large body: %d %s", got.status, got.body)
	}
	asked(t, known, request("GET", r.body(alice, long(1000))), 200)
}

// TestRateBehindAProxy: it is the client's address that counts, which a trusted proxy names; an IPv6 network of 64 bits is one address.
func TestRateBehindAProxy(t *testing.T) {
	r := start(t, oneASecond, func(cfg *http.Config) { cfg.TrustedProxies = []string{"127.0.0.1"} })
	from := func(client string) string {
		return fmt.Sprintf("GET /v1/sources HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n", client)
	}
	statuses(t, r, 10, from("192.0.2.1"), "http.rate_per_address")
	if got := statuses(t, r, 1, from("192.0.2.2"), ""); got[401] != 1 {
		t.Errorf("another client: %v", got)
	}
	for i := range 10 {
		statuses(t, r, 1, from(fmt.Sprintf("2001:db8::%x", i)), "http.rate_per_address")
	}
	if got := statuses(t, r, 1, from("2001:db8::ffff"), ""); got[429] != 1 {
		t.Errorf("another address of the same network: %v", got)
	}
	if got := statuses(t, r, 1, from("2001:db8:0:1::"), ""); got[401] != 1 {
		t.Errorf("another network: %v", got)
	}
	if got := statuses(t, r, 20, withoutToken, ""); got[401] != 20 {
		t.Errorf("a proxy that names nobody: %v", got)
	}
}

// TestHonestClientsMeetNoLimit uses the defaults. Ten heartbeats come at once after a pause, and two hundred colleagues behind one address open the
// board, each with ten files, and then show an expired token once.
func TestHonestClientsMeetNoLimit(t *testing.T) {
	r := start(t, func(cfg *http.Config) {
		cfg.RatePerUser, cfg.RatePerAddress = http.DefaultConfig().RatePerUser, http.DefaultConfig().RatePerAddress
	})
	if got := statuses(t, r, 100, request("PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"available"}}`)), ""); got[200] != 100 {
		t.Errorf("heartbeats: %v", got)
	}
	var counts [600]int
	c := dial(t, r.Server)
	defer func(c net.Conn) { _ = c.Close() }(c)
	answers := bufio.NewReader(c)
	for range 200 {
		for range 10 {
			_, _ = io.WriteString(c, "GET /client.js HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"x\"\r\n\r\n")
			counts[parseAnswer(t, answers).status]++
		}
		_, _ = io.WriteString(c, bearer("1415697944:markd@zarafa.com:SLDJMBNNFNN5/RIXFJPXVKCKNV6SBHYGLFLE5G/TVLY="))
		counts[parseAnswer(t, answers).status]++
	}
	if counts[200] != 2000 || counts[401] != 200 {
		t.Errorf("%d files, %d refusals with 401, %d with 429", counts[200], counts[401], counts[429])
	}
}

// TestNoRoomForAnotherUser: a new user beyond store.max_users is refused on both APIs, in an import as well. Who is there goes on.
func TestNoRoomForAnotherUser(t *testing.T) {
	r := start(t)
	r.core.Limits.Set(app.Limits{Users: 1})
	heartbeat := func(user domain.UserID) answer {
		return r.do(t, "PUT", r.body(user, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"available"}}`, user)))
	}
	if got := heartbeat(mark); got.status != 200 {
		t.Fatalf("the first: %d %s", got.status, got.body)
	}
	line := `{"user":"alice@example.test","protocol":"spreed","status":"busy","message":"","since":"2026-11-23T09:00:00Z","updated":"2026-11-23T09:14:30Z","expires":null,"stale":false}`
	for name, got := range map[string]answer{
		"PUT /":    heartbeat(alice),
		"API v1":   r.v1(t, alice, "PUT", "/v1/users/alice@example.test/spreed", `{"status":"busy"}`),
		"import":   r.v1(t, service, "POST", "/v1/import", line),
		"services": r.v1(t, service, "PUT", "/v1/users/alice@example.test/spreed", `{"status":"busy"}`),
	} {
		if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.problem(t).Detail, "(store.max_users): alice@example.test would be one too many") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := heartbeat(mark); got.status != 200 {
		t.Errorf("who is there: %d %s", got.status, got.body)
	}
	if refused(r)["max_users"] != 4 {
		t.Errorf("counted: %v", refused(r))
	}
}
