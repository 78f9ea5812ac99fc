package http_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

// v1 sends a request of API v1 on behalf of a user. Headers come as "Name: value".
func (r *running) v1(t tester, as domain.UserID, method, path, body string, headers ...string) answer {
	t.Helper()
	return send(t, r.Server, method, path, body, append(headers, "Authorization: Bearer "+r.tokens.Issue(as))...)
}

func send(t tester, server *http.Server, method, path, body string, headers ...string) answer {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := nethttp.NewRequest(method, "http://"+server.Addr().String()+path, content)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity") // or Go's client asks for gzip, and unpacks it
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
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

// person is how a client reads a user.
type person struct {
	User, Status, Message string
	Activity, By, Rule    *string
	DisplayName           *string `json:"display_name"`
	Next                  *struct {
		At     time.Time
		Status string
		By     *string
	}
	Reason    string
	Since     *time.Time
	IdleSince *time.Time `json:"idle_since"`
	Stale     bool
	Revision  uint64
	Invisible bool
	Protocols map[string]struct {
		Status, Message         string
		Activity                *string
		Since, Updated, Expires *time.Time
		IdleSince               *time.Time `json:"idle_since"`
		Stale                   bool
	}
}

// people is how a client reads a list of users.
type people struct {
	Revision uint64
	Users    []person
}

func (p people) names() []string {
	var names []string
	for _, user := range p.Users {
		names = append(names, user.User)
	}
	return names
}

// as reads the body of an answer, which must have that status.
func as[T any](t tester, status int, a answer) (value T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	from := json.NewDecoder(strings.NewReader(a.body))
	from.DisallowUnknownFields()
	if err := from.Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return value
}

func TestV1GetUser(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, `feeling "chatty"`)
	r.knows(t, mark, xmpp, domain.Away, "")
	got := r.v1(t, alice, "GET", "/v1/users/MarkD@zarafa.com", "")
	user := as[person](t, 200, got)
	if user.User != "MarkD@zarafa.com" || user.Status != "available" || user.Message != `feeling "chatty"` || *user.By != "spreed" ||
		user.Reason != "strongest" || user.Since == nil || user.Revision != 2 || user.Protocols["xmpp"].Status != "away" || len(user.Protocols) != 2 {
		t.Errorf("GET: %s", got.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Vary": "", "Access-Control-Allow-Origin": "",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	nobody := r.v1(t, alice, "GET", "/v1/users/nobody%40example.test", "")
	const want = `{"user":"nobody@example.test","status":"unavailable","message":"","activity":null,"by":null,"reason":"unknown","rule":null,"since":null,"idle_since":null,"next":null,"stale":false,"revision":0,"display_name":null,"protocols":{}}`
	if nobody.status != 200 || nobody.body != want {
		t.Errorf("GET of an unknown user: %d %s", nobody.status, nobody.body)
	}
}

// TestV1GetUsers: in order, as they are spelled, also twice.
func TestV1GetUsers(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, "")
	r.knows(t, "m+x@example.test", xmpp, domain.Busy, "")
	path := "/v1/users?user=MARKD@zarafa.com&user=nobody@example.test&user=m+x@example.test&user=markd%40zarafa.com"
	got := as[people](t, 200, r.v1(t, alice, "GET", path, ""))
	if want := []string{"MARKD@zarafa.com", "nobody@example.test", "m+x@example.test", "markd@zarafa.com"}; !slices.Equal(got.names(), want) || got.Revision != 2 {
		t.Errorf("GET: %+v, want %v", got, want)
	}
	if got.Users[0].Status != "available" || got.Users[1].Status != "unavailable" || got.Users[2].Status != "busy" || got.Users[3].Revision != 1 {
		t.Errorf("GET: %+v", got)
	}
	asked := r.v1(t, alice, "POST", "/v1/users:query", `{"users":["MARKD@zarafa.com","nobody@example.test","m+x@example.test","markd@zarafa.com"]}`)
	if want := r.v1(t, alice, "GET", path, ""); asked.body != want.body || asked.header.Get("Etag") != "" || asked.header.Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %v %s\nwant %s", asked.header, asked.body, want.body)
	}
	if none := r.v1(t, alice, "POST", "/v1/users:query", `{"users":[]}`); none.status != 200 || none.body != `{"revision":2,"users":[]}` {
		t.Errorf("POST of nobody: %d %s", none.status, none.body)
	}
}

// TestV1Since asks again and again for what has changed.
func TestV1Since(t *testing.T) {
	r := start(t)
	users := []string{"a@example.test", "b@example.test", "c@example.test"}
	for _, user := range users {
		r.knows(t, domain.UserID(user), xmpp, domain.Away, "")
	}
	ask := func(since uint64) people {
		t.Helper()
		path := fmt.Sprintf("/v1/users?user=a@example.test&user=b@example.test&user=c@example.test&user=nobody@example.test&since=%d", since)
		got := r.v1(t, alice, "GET", path, "")
		if again := r.v1(t, alice, "POST", "/v1/users:query",
			fmt.Sprintf(`{"users":["a@example.test","b@example.test","c@example.test","nobody@example.test"],"since":%d}`, since)); again.body != got.body {
			t.Errorf("POST: %s\nGET: %s", again.body, got.body)
		}
		return as[people](t, 200, got)
	}
	all := append(slices.Clone(users), "nobody@example.test")
	first := ask(0)
	if !slices.Equal(first.names(), users) { // nobody was never there
		t.Errorf("since 0: %v", first.names())
	}
	if none := ask(first.Revision); len(none.Users) != 0 || none.Revision != first.Revision {
		t.Errorf("since the last revision: %+v", none)
	}
	r.knows(t, "b@example.test", xmpp, domain.Busy, "")
	second := ask(first.Revision)
	if !slices.Equal(second.names(), []string{"b@example.test"}) || second.Users[0].Status != "busy" || second.Users[0].Revision != second.Revision {
		t.Errorf("after a change: %+v", second)
	}
	r.v1(t, service, "PUT", "/v1/users/a@example.test/spreed", `{"status":"busy"}`)
	r.v1(t, service, "DELETE", "/v1/users/a@example.test/spreed", "")
	if third := ask(second.Revision); !slices.Equal(third.names(), []string{"a@example.test"}) || third.Users[0].Status != "away" {
		t.Errorf("after something was removed: %+v", third)
	}
	if other := ask(1 << 40); !slices.Equal(other.names(), all) {
		t.Errorf("since a revision of another store: %v", other.names())
	}
}

// TestV1ETag: the tag of a list does not change with others' changes, and that of anything does with its own.
func TestV1ETag(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, "")
	for _, path := range []string{"/v1/users/markd@zarafa.com", "/v1/users?user=markd@zarafa.com&user=alice@example.test"} {
		first := r.v1(t, alice, "GET", path, "")
		tag := first.header.Get("Etag")
		if first.status != 200 || !strings.HasPrefix(tag, `W/"`) {
			t.Fatalf("%d %v", first.status, first.header)
		}
		r.knows(t, "somebody.else@example.test", spreed, domain.Busy, "")
		for _, wanted := range []string{tag, strings.TrimPrefix(tag, "W/"), `"x", ` + tag, "*"} {
			got := r.v1(t, alice, "GET", path, "", "If-None-Match: "+wanted)
			if got.status != 304 || got.body != "" || got.header.Get("Etag") != tag || got.header.Get("Cache-Control") != "private, no-cache" {
				t.Errorf("%s with %s: %d %v %s", path, wanted, got.status, got.header, got.body)
			}
		}
		if got := r.v1(t, alice, "GET", path, "", `If-None-Match: "x"`); got.status != 200 || got.header.Get("Etag") != tag {
			t.Errorf("%s with another tag: %d %v", path, got.status, got.header)
		}
		r.knows(t, mark, spreed, domain.Available, path)
		if got := r.v1(t, alice, "GET", path, "", "If-None-Match: "+tag); got.status != 200 || got.header.Get("Etag") == tag {
			t.Errorf("%s after a change: %d %v", path, got.status, got.header)
		}
		if got := send(t, r.Server, "GET", path, "", "If-None-Match: "+tag); got.status != 401 {
			t.Errorf("%s without a token: %d", path, got.status)
		}
	}
}

func TestV1PutAndDelete(t *testing.T) {
	r := start(t)
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }
	put := func(body string) person {
		t.Helper()
		if got := r.v1(t, mark, "PUT", "/v1/users/MarkD%40zarafa.com/spreed", body); got.status != 204 || got.body != "" || got.header.Get("Content-Type") != "" {
			t.Fatalf("PUT %s: %d %v %s", body, got.status, got.header, got.body)
		}
		return as[person](t, 200, r.v1(t, mark, "GET", "/v1/users/markd@zarafa.com", ""))
	}
	about := func(got person, want time.Duration) {
		t.Helper()
		expires := got.Protocols["spreed"].Expires
		if expires == nil || time.Until(*expires) > want || time.Until(*expires) < want-30*time.Second {
			t.Errorf("expires at %v, want in %v", expires, want)
		}
	}
	busy := put(`{"status":"busy","message":"in a meeting"}`)
	if busy.Status != "busy" || busy.Message != "in a meeting" {
		t.Errorf("after PUT: %+v", busy)
	}
	about(busy, 2*time.Minute)
	about(put(`{"status":"busy","until":"`+in(time.Minute)+`"}`), time.Minute)
	lasting := put(`{"status":"busy","ttl":90}`)
	about(lasting, 90*time.Second)
	if lasting.Next == nil || !lasting.Next.At.Equal(*lasting.Protocols["spreed"].Expires) || lasting.Next.Status != "unavailable" || *lasting.Next.By != "spreed" {
		t.Errorf("what comes next is %+v", lasting.Next)
	}
	if got := put(`{"status":"busy","activity":"meeting"}`); got.Activity == nil || *got.Activity != "meeting" || *got.Protocols["spreed"].Activity != "meeting" {
		t.Errorf("in a meeting: %+v", got)
	}
	if got := put(`{"status":"busy","activity":""}`); got.Activity != nil {
		t.Errorf("not in a meeting any more: %+v", got)
	}
	if got := put(`{"status":"away","idle_since":"2026-11-23T09:00:00Z"}`); got.IdleSince == nil || got.IdleSince.Year() != 2026 || got.Protocols["spreed"].IdleSince == nil {
		t.Errorf("idle: %+v", got)
	}
	if got := r.v1(t, mark, "PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"away","idle_since":"`+in(time.Hour)+`"}`); got.status != 422 || !strings.Contains(got.body, `"#/idle_since"`) {
		t.Errorf("idle since a moment ahead: %d %s", got.status, got.body)
	}
	if got := r.v1(t, mark, "PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","activity":"gossip"}`); got.status != 422 || !strings.Contains(got.body, `"#/activity"`) {
		t.Errorf("an unknown activity: %d %s", got.status, got.body)
	}
	for range 2 {
		if got := r.v1(t, mark, "DELETE", "/v1/users/markd@zarafa.com/spreed", ""); got.status != 204 {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
		if got := as[person](t, 200, r.v1(t, mark, "GET", "/v1/users/markd@zarafa.com", "")); len(got.Protocols) != 0 || got.Revision == 0 {
			t.Errorf("after DELETE: %+v", got)
		}
	}
	if got := r.v1(t, service, "PUT", "/v1/users/alice@example.test/board", `{"status":"away"}`); got.status != 204 {
		t.Errorf("PUT by a service: %d %s", got.status, got.body)
	}
	if got := r.v1(t, mark, "POST", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","message":"by POST"}`); got.status != 204 || got.body != "" {
		t.Errorf("POST: %d %s", got.status, got.body)
	}
	if got := as[person](t, 200, r.v1(t, mark, "GET", "/v1/users/markd@zarafa.com", "")); got.Status != "busy" || got.Message != "by POST" {
		t.Errorf("after POST: %+v", got)
	}
	if got := r.v1(t, mark, "POST", "/v1/users/alice@example.test/spreed", `{"status":"busy"}`); got.status != 403 {
		t.Errorf("POST for another user: %d %s", got.status, got.body)
	}
	r.knows(t, mark, xmpp, domain.Away, "out")
	if got := r.v1(t, mark, "PUT", "/v1/users/markd@zarafa.com/xmpp", `{"status":"away","message":"out"}`); got.status != 204 {
		t.Errorf("PUT that repeats a read-only value: %d %s", got.status, got.body)
	}
}

func TestV1Sources(t *testing.T) {
	r := start(t)
	got := r.v1(t, service, "GET", "/v1/sources", "")
	const want = `{"sources":[{"protocol":"irc","state":"standby","since":"2026-11-23T09:00:00.250Z","users":0,"error":null,"retry_at":null,"as_of":null},` +
		`{"protocol":"sip","state":"rejected","since":"2026-11-23T09:00:00.250Z","users":0,"error":"the server said \"no\"","retry_at":"2026-11-23T09:05:00.250Z","as_of":null},` +
		`{"protocol":"xmpp","state":"synced","since":"2026-11-23T09:00:00.250Z","users":42,"error":null,"retry_at":null,"as_of":"2026-11-23T08:59:00.250Z"}],"journal":{"followed":true,"known_until":null}}`
	if got.status != 200 || got.body != want || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s\nwant %s", got.status, got.header, got.body, want)
	}
	withoutErrors := strings.Replace(want, `"the server said \"no\""`, "null", 1)
	if got := r.v1(t, mark, "GET", "/v1/sources", ""); got.status != 200 || got.body != withoutErrors {
		t.Errorf("somebody who is no service: %d %s\nwant %s", got.status, got.body, withoutErrors)
	}
}

func TestV1Unmapped(t *testing.T) {
	r := start(t)
	const want = `{"unmapped":[{"protocol":"irc","name":"\\\"","times":3}],"others":7}`
	if got := r.v1(t, service, "GET", "/v1/identities/unmapped", ""); got.status != 200 || got.body != want {
		t.Errorf("%d %s, want %s", got.status, got.body, want)
	}
	if got := r.v1(t, mark, "GET", "/v1/identities/unmapped", ""); got.status != 403 {
		t.Errorf("somebody who is no service: %d %s", got.status, got.body)
	}
}

// TestV1Refusals: each names its place, and nothing is done.
func TestV1Refusals(t *testing.T) {
	r := start(t)
	r.knows(t, mark, xmpp, domain.Away, "")
	const user = "/v1/users/markd@zarafa.com"
	for _, test := range []struct {
		method, path, body string
		status             int
		places             []string // pointers and parameters
	}{
		{"GET", "/v1/users", "", 400, []string{"user"}},
		{"GET", "/v1/users?since=1", "", 400, []string{"user"}},
		{"GET", "/v1/users?user=a@b&since=x", "", 400, []string{"since"}},
		{"GET", "/v1/users?users=a@b", "", 400, []string{"users"}},
		{"GET", "/v1/users?user=nobody&user=a@b&user=", "", 422, []string{"user", "user"}},
		{"GET", "/v1/users/nobody", "", 422, []string{"user"}},
		{"GET", "/v1/users/a@b%2Fc", "", 422, []string{"user"}},
		{"GET", user + "?since=1", "", 400, nil},
		{"POST", "/v1/users:query", "", 400, nil},
		{"POST", "/v1/users:query", "{}", 400, []string{"#/users"}},
		{"POST", "/v1/users:query", `{"users":["a@b","nobody"]}`, 422, []string{"#/users/1"}},
		{"POST", "/v1/users:query", `{"users":["a@b"` + strings.Repeat(`,"a@b"`, 10_000) + `]}`, 413, []string{"#/users"}},
		{"POST", "/v1/users:query?since=1", `{"users":["a@b"]}`, 400, nil},
		{"PUT", user + "/spreed", `{"message":"x"}`, 400, []string{"#/status"}},
		{"PUT", user + "/spreed", `{"status":"busy","for":"ever"}`, 400, []string{"#/for"}},
		{"PUT", user + "/spreed", `{"status":"lunch","message":"` + strings.Repeat("x", 4097) + `"}`, 422, []string{"#/status", "#/message"}},
		{"PUT", user + "/spreed", `{"status":"busy","until":"2020-01-01T00:00:00Z"}`, 422, []string{"#/until"}},
		{"PUT", user + "/spreed", `{"status":"busy","ttl":121}`, 422, []string{"#/ttl"}},
		{"PUT", user + "/sprid", `{"status":"busy"}`, 422, []string{"protocol"}},
		{"PUT", user + "/xmpp", `{"status":"busy"}`, 422, []string{"protocol"}},
		{"PUT", "/v1/users/nobody/sprid", `{"status":"lunch"}`, 422, []string{"user", "#/status", "protocol"}},
		{"PUT", "/v1/users/alice@example.test/spreed", `{"status":"busy"}`, 403, []string{"user"}},
		{"PUT", user + "/spreed?ttl=60", `{"status":"busy"}`, 400, nil},
		{"DELETE", user + "/xmpp", "", 422, []string{"protocol"}},
		{"DELETE", user + "/sprid", "", 422, []string{"protocol"}},
		{"DELETE", "/v1/users/alice@example.test/spreed", "", 403, []string{"user"}},
		{"GET", "/v1/sources?x", "", 400, nil},
		{"GET", "/v1/", "", 404, nil},
		{"GET", "/v1/users/", "", 404, nil},
		{"GET", "/v1/users/a@b/spreed/x", "", 404, nil},
		{"GET", "/v1/nothing", "", 404, nil},
		{"GET", "/v2/users", "", 404, nil},
	} {
		before := r.state()
		got := r.v1(t, mark, test.method, test.path, test.body)
		if got.status != test.status {
			t.Errorf("%s %.60s %.60s: %d %s, want %d", test.method, test.path, test.body, got.status, got.body, test.status)
			continue
		}
		var places []string
		for _, entry := range got.problem(t).Errors {
			places = append(places, entry.Pointer+entry.Parameter)
			if entry.Detail == "" || (entry.Pointer == "") == (entry.Parameter == "") {
				t.Errorf("incomplete: %s", got.body)
			}
		}
		if !slices.Equal(places, test.places) {
			t.Errorf("%s %.60s %.60s: %s, want %v", test.method, test.path, test.body, got.body, test.places)
		}
		if after := r.state(); after != before {
			t.Errorf("the state has changed from\n%sto\n%s", before, after)
		}
	}
}

// TestHeadIsGetWithoutABody: the same status and the same header (RFC 9110, 9.3.2), also for what GET refuses. A stream of events is none.
func TestHeadIsGetWithoutABody(t *testing.T) {
	r := start(t)
	many := "/v1/users?user=markd@zarafa.com" + strings.Repeat("&user=alice@example.test", 100)
	for _, path := range []string{"/v1/users/markd@zarafa.com", "/v1/users?user=markd@zarafa.com", many, "/v1/users", "/v1/users/nobody", "/v1/me", "/v1/sources", "/v1/export", "/v1/events?user=a@b"} {
		for _, token := range []string{r.tokens.Issue(service), "forged"} {
			as := []string{"Authorization: Bearer " + token, "Accept-Encoding: gzip", "Connection: close", "X-Request-Id: the-same"}
			head := send(t, r.Server, "HEAD", path, "", as...)
			if head.body != "" {
				t.Errorf("HEAD %.60s has a body: %.60q", path, head.body)
			}
			if strings.HasPrefix(path, "/v1/events") && token != "forged" {
				if head.status != 200 || head.header.Get("Content-Type") != "text/event-stream" {
					t.Errorf("HEAD of a stream: %d %v", head.status, head.header)
				}
				continue
			}
			get := send(t, r.Server, "GET", path, "", as...)
			head.header.Del("Date")
			get.header.Del("Date")
			if head.status != get.status || fmt.Sprint(head.header) != fmt.Sprint(get.header) {
				t.Errorf("HEAD %.60s: %d %v\nGET: %d %v", path, head.status, head.header, get.status, get.header)
			}
			if tag := get.header.Get("Etag"); tag != "" {
				if again := send(t, r.Server, "HEAD", path, "", append(as, "If-None-Match: "+tag)...); again.status != 304 {
					t.Errorf("HEAD %.60s again: %d", path, again.status)
				}
			}
		}
	}
}

func TestV1Methods(t *testing.T) {
	r := start(t)
	for path, allowed := range map[string]string{
		"/v1/users": "GET, HEAD", "/v1/users/a@b": "GET, HEAD", "/v1/users:query": "POST", "/v1/users/a@b/spreed": "PUT, POST, DELETE", "/v1/me": "GET, HEAD", "/v1/sources": "GET, HEAD", "/v1/identities/unmapped": "GET, HEAD",
	} {
		for _, method := range []string{"HEAD", "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			if slices.Contains(strings.Split(allowed, ", "), method) {
				continue
			}
			if method == "HEAD" { // whose answer has no body, whatever its Content-Length
				if got := do(t, r.Server, method, path, ""); got.status != 405 || got.header.Get("Allow") != allowed {
					t.Errorf("HEAD %s: %d, Allow: %q", path, got.status, got.header.Get("Allow"))
				}
				continue
			}
			got := raw(t, r.Server, method+" "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			if got.status != 405 || got.header.Get("Allow") != allowed {
				t.Errorf("%s %s: %d, Allow: %q, want %q", method, path, got.status, got.header.Get("Allow"), allowed)
			} else {
				got.problem(t)
			}
		}
	}
	if got := raw(t, r.Server, "PROPFIND /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); got.status != 404 {
		t.Errorf("an unknown method of an unknown path: %d", got.status)
	}
}

func TestV1Unauthenticated(t *testing.T) {
	r := start(t)
	token := r.tokens.Issue(mark)
	for _, target := range []string{"GET /v1/users", "GET /v1/users/x", "POST /v1/users:query", "PUT /v1/users/x/y", "DELETE /v1/users/x/y", "GET /v1/me", "GET /v1/sources"} {
		method, path, _ := strings.Cut(target, " ")
		for header, challenge := range map[string]string{
			"X-Nothing: x":                          `Bearer realm="presence"`,
			"Authorization: Basic bWFyazpnZWhlaW0=": `Bearer realm="presence"`,
			"Authorization: " + token:               `Bearer realm="presence"`,
			"Authorization: Bearer":                 `Bearer realm="presence", error="invalid_token"`,
			"Authorization: Bearer " + token[1:]:    `Bearer realm="presence", error="invalid_token"`,
			"Authorization: Bearer " + tokenOf(secret, time.Now().Add(-time.Hour), mark): `Bearer realm="presence", error="invalid_token"`,
		} {
			got := send(t, r.Server, method, path, "", header)
			if got.status != 401 || got.header.Get("Www-Authenticate") != challenge {
				t.Errorf("%s with %s: %d %s %s", target, header, got.status, got.header.Get("Www-Authenticate"), got.body)
				continue
			}
			got.problem(t)
			if strings.Contains(got.body, token[10:]) {
				t.Errorf("the answer contains the token: %s", got.body)
			}
		}
		if got := send(t, r.Server, method, path, "", "Authorization: bEaReR "+token); got.status == 401 {
			t.Errorf("%s: the scheme's case must not matter: %s", target, got.body)
		}
	}
}

// TestV1Devices: each device of a user has a presence of its own; DELETE takes all away.
func TestV1Devices(t *testing.T) {
	r := start(t)
	const path = "/v1/users/" + mark
	put := func(body string, status int) {
		t.Helper()
		if got := r.v1(t, mark, "PUT", path+"/spreed", body); got.status != status {
			t.Fatalf("%s: %d %s", body, got.status, got.body)
		}
	}
	is := func(want string) {
		t.Helper()
		var got person
		if err := json.Unmarshal([]byte(r.v1(t, mark, "GET", path, "").body), &got); err != nil || got.Status+"/"+got.Message+"/"+got.Reason != want {
			t.Fatalf("it is %+v, want %s (%v)", got, want, err)
		}
	}
	put(`{"status":"available","message":"no name"}`, 204)
	put(`{"status":"busy","message":"laptop","device":"laptop"}`, 204)
	is("busy/laptop/only")
	put(`{"status":"away","message":"desk","device":"desk"}`, 204)
	is("busy/laptop/only")
	put(`{"status":"unavailable","device":"laptop"}`, 204)
	is("available/no name/only")
	put(`{"status":"busy","device":"a\u0000b"}`, 422)
	put(`{"status":"busy","device":7}`, 400)
	if got := r.v1(t, mark, "DELETE", path+"/spreed", ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	is("unavailable//unknown")
}

// TestV1EncodedToken: a token may be percent-encoded, once, for users whose id has letters that a browser cannot send in a header.
func TestV1EncodedToken(t *testing.T) {
	r := start(t)
	for _, user := range []domain.UserID{"zoë@example.test", "зоя@example.test", "100%25@example.test", "a+b@example.test"} {
		token := r.tokens.Issue(user)
		encoded := fmt.Sprintf("%%%02X%s", token[0], url.PathEscape(token[1:]))
		for sent, status := range map[string]int{token: 200, encoded: 200, url.PathEscape(encoded): 401, encoded + "%": 401, "%31" + encoded: 401} {
			if got := send(t, r.Server, "GET", "/v1/users/"+url.PathEscape(string(user)), "", "Authorization: Bearer "+sent); got.status != status {
				t.Errorf("%s: %d, want %d: %s", sent, got.status, status, got.body)
			}
		}
	}
}

// TestV1StatusOfErrors: what the use case says is told as on the original API.
func TestV1StatusOfErrors(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
	}{
		{nil, 204},
		{fmt.Errorf("the disk is full: %w", ports.ErrUnavailable), 503},
		{context.Canceled, 503},
		{ports.ErrTooLarge, 413},
		{domain.Problems{{Field: domain.FieldDevice, Err: domain.ErrInvalidDevice}}, 422},
		{errors.New("secret internals"), 500},
	} {
		server, presence, tokens, _ := mocked(t)
		by := domain.Principal{User: mark}
		tokens.EXPECT().Verify("t").Return(by, nil)
		presence.EXPECT().Update(gomock.Any(), by, []domain.Update{{User: mark, Protocol: "spreed", Status: "busy", Message: "m"}}).Return(test.err)
		got := send(t, server, "PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","message":"m"}`, "Authorization: Bearer t")
		if got.status != test.status || strings.Contains(got.body, "internals") {
			t.Errorf("%v: %d %s", test.err, got.status, got.body)
		}
		if test.status == 422 && (len(got.problem(t).Errors) != 1 || got.problem(t).Errors[0].Pointer != "#/device") {
			t.Errorf("the device is not named: %s", got.body)
		}
	}
}

// unpacked returns an answer's body, which must be compressed.
func unpacked(t *testing.T, a answer) string {
	t.Helper()
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d %v is not compressed", a.status, a.header)
	}
	from, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestV1Compression: small answers are sent as they are, larger ones as the client wants them, and what is too large for one piece as well. What
// is compressed says the same, under the same tag.
func TestV1Compression(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, strings.Repeat("x\x01é", domain.MaxMessage/4))
	for _, test := range []struct {
		name  string
		users int
		large bool // it is sent in chunks if it is compressed
	}{
		{"one piece", 10, false}, {"large", 60, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := `{"users":["markd@zarafa.com"` + strings.Repeat(`,"markd@zarafa.com"`, test.users-1) + `]}`
			url := "/v1/users?" + strings.Repeat("user=markd%40zarafa.com&", test.users)
			for _, request := range [][3]string{{"GET", url, ""}, {"POST", "/v1/users:query", list}} {
				plain := r.v1(t, alice, request[0], request[1], request[2])
				if n := len(as[people](t, 200, plain).Users); n != test.users || plain.header.Get("Content-Encoding") != "" ||
					plain.header.Get("Content-Length") != fmt.Sprint(len(plain.body)) || plain.header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s: %d users, %v", request[0], n, plain.header)
				}
				packed := r.v1(t, alice, request[0], request[1], request[2], "Accept-Encoding: br;q=1.0, gzip;q=0.8, *;q=0.1")
				if unpacked(t, packed) != plain.body || packed.header.Get("Etag") != plain.header.Get("Etag") || packed.header.Get("Vary") != "Accept-Encoding" ||
					len(packed.body) > len(plain.body)/5 || (packed.header.Get("Content-Length") == "") != test.large {
					t.Errorf("%s: %d bytes of %d, %v", request[0], len(packed.body), len(plain.body), packed.header)
				}
				if tag := plain.header.Get("Etag"); (tag != "") != (request[0] == "GET") {
					t.Errorf("%s: the tag is %q", request[0], tag)
				} else if tag != "" {
					again := r.v1(t, alice, request[0], request[1], request[2], "Accept-Encoding: gzip", "If-None-Match: "+tag)
					if again.status != 304 || again.body != "" || again.header.Get("Vary") != "Accept-Encoding" || again.header.Get("Content-Encoding") != "" {
						t.Errorf("again: %d %v", again.status, again.header)
					}
				}
				for _, refused := range []string{"gzip;q=0", "br", "identity"} {
					if got := r.v1(t, alice, request[0], request[1], request[2], "Accept-Encoding: "+refused); got.body != plain.body {
						t.Errorf("Accept-Encoding: %s: %v", refused, got.header)
					}
				}
			}
		})
	}
	if got := r.v1(t, alice, "GET", "/v1/users/nobody@example.test", "", "Accept-Encoding: gzip"); got.header.Get("Content-Encoding") != "" || got.header.Get("Vary") != "" {
		t.Errorf("a small answer: %v", got.header)
	}
	if got := r.do(t, "GET", r.body(mark, strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 20)+`{"user_id":"markd@zarafa.com"}`)); got.header.Get("Vary") != "" {
		t.Errorf("the original API: %v", got.header) // Go's client has asked for gzip
	}
}

// TestV1LargeToOldClients: HTTP/1.0 knows no chunks.
func TestV1LargeToOldClients(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, strings.Repeat("x", domain.MaxMessage))
	list := `{"users":["markd@zarafa.com"` + strings.Repeat(`,"markd@zarafa.com"`, 99) + `]}`
	got := raw(t, r.Server, fmt.Sprintf("POST /v1/users:query HTTP/1.0\r\nAuthorization: Bearer %s\r\nAccept-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s",
		r.tokens.Issue(mark), len(list), list))
	if n := len(as[people](t, 200, got).Users); n != 100 || got.header.Get("Content-Encoding") != "" {
		t.Errorf("%d users, %v", n, got.header)
	}
}

// TestV1WhatIsStoredDoesNotChangeWithTheBuffers writes over one connection, whose buffers are used again for each request.
func TestV1WhatIsStoredDoesNotChangeWithTheBuffers(t *testing.T) {
	r := start(t)
	keep := &nethttp.Client{Transport: documented(&nethttp.Transport{})}
	defer keep.CloseIdleConnections()
	for i := range 40 {
		request, err := nethttp.NewRequest("PUT", fmt.Sprintf("http://%s/v1/users/user%02d%%40example.test/spreed", r.Addr(), i),
			strings.NewReader(fmt.Sprintf(`{"status":"busy","message":"\u006dessage %02d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+r.tokens.Issue(service))
		response, err := keep.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != nethttp.StatusNoContent {
			t.Fatalf("PUT: %d", response.StatusCode)
		}
	}
	for i := range 40 {
		got := as[person](t, 200, r.v1(t, mark, "GET", fmt.Sprintf("/v1/users/user%02d@example.test", i), ""))
		if want := fmt.Sprintf("message %02d", i); got.Message != want {
			t.Errorf("user %d has the message %q", i, got.Message)
		}
	}
}

// TestV1RevisionIsReadBeforeTheStates: what changes in between is told again, and not missed.
func TestV1RevisionIsReadBeforeTheStates(t *testing.T) {
	control := gomock.NewController(t)
	feed, tokens := mocks.NewMockFeed(control), mocks.NewMockTokens(control)
	feed.EXPECT().Follow().AnyTimes()
	tokens.EXPECT().Verify(gomock.Any()).Return(domain.Principal{User: mark}, nil).AnyTimes()
	gomock.InOrder(
		feed.EXPECT().Revision().Return(domain.Revision(7)),
		feed.EXPECT().States(domain.Principal{User: mark}, []string{"a@b"}, gomock.Any()).Return([]domain.State{{User: "a@b", Revision: 8}}, domain.Revision(0), nil),
	)
	server := startServer(t, localConfig(), &coretest.Core{Feed: feed}, tokens, new(logged))
	got := as[people](t, 200, send(t, server, "GET", "/v1/users?user=a@b", "", "Authorization: Bearer t"))
	if got.Revision != 7 || got.Users[0].Revision != 8 {
		t.Errorf("%+v", got)
	}
}
