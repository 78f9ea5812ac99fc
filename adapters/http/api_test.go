package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

func TestGet(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Available, "feeling chatty..")
	r.knows(t, mark, xmpp, domain.Away, "")
	r.knows(t, alice, xmpp, domain.Busy, "\"quoted\" \\ \n\u2028 \x01 ünïcødé 😀")
	got := r.do(t, "GET", r.body(mark, `{"user_id":"MarkD@zarafa.com"},{"user_id":"nobody@zarafa.com"},{"user_id":"alice@example.test"}`))
	want := `{"Type":"UserStatus","UserStatus":[` +
		`{"user_id":"MarkD@zarafa.com","spreed":{"status":"available","message":"feeling chatty.."},"xmpp":{"status":"away","message":""}},` +
		`{"user_id":"nobody@zarafa.com"},` +
		`{"user_id":"alice@example.test","xmpp":{"status":"busy","message":"\"quoted\" \\ \n\u2028 \u0001 ünïcødé 😀"}}]}`
	if got.status != 200 || got.body != want {
		t.Errorf("GET: %d %s\nwant 200 %s", got.status, got.body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
}

func TestGetIgnoresProtocolsButChecksTheirForm(t *testing.T) {
	r := start(t)
	got := r.do(t, "GET", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"nonsense"},"no such":{"status":"busy","message":"m"}}`))
	if want := `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com"}]}`; got.status != 200 || got.body != want {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	if got := r.do(t, "GET", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":"busy"}`)); got.status != 400 {
		t.Errorf("GET with a protocol that is no object: %d %s", got.status, got.body)
	}
}

func TestGetOfNobody(t *testing.T) {
	r := start(t)
	if got := r.do(t, "GET", r.body(mark, "")); got.status != 200 || got.body != `{"Type":"UserStatus","UserStatus":[]}` {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
}

func TestPutThenGet(t *testing.T) {
	r := start(t)
	put := r.do(t, "PUT", r.body(mark, `{"user_id":"MARKD@zarafa.com","spreed":{"status":"busy","message":"ünï \"x\""},"board":{"status":"away"}}`))
	if put.status != 200 || put.body != "" || put.header.Get("Content-Type") != "" {
		t.Errorf("PUT: %d %q %v", put.status, put.body, put.header)
	}
	got := r.do(t, "GET", r.body(alice, `{"user_id":"markd@zarafa.com"}`))
	want := `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","board":{"status":"away","message":""},"spreed":{"status":"busy","message":"ünï \"x\""}}]}`
	if got.body != want {
		t.Errorf("GET: %s\nwant %s", got.body, want)
	}
}

func TestPostReadsItsOwnWrites(t *testing.T) {
	r := start(t)
	r.knows(t, alice, xmpp, domain.Busy, "")
	for i := range 50 {
		entries := fmt.Sprintf(`{"user_id":"alice@example.test"},{"user_id":"markd@zarafa.com","spreed":{"status":"available","message":"%d"}}`, i)
		got := r.do(t, "POST", r.body(mark, entries))
		want := fmt.Sprintf(`{"Type":"UserStatus","UserStatus":[{"user_id":"alice@example.test","xmpp":{"status":"busy","message":""}},`+
			`{"user_id":"markd@zarafa.com","spreed":{"status":"available","message":"%d"}}]}`, i)
		if got.status != 200 || got.body != want {
			t.Fatalf("POST: %d %s\nwant %s", got.status, got.body, want)
		}
	}
}

// TestWhatIsStoredDoesNotChangeWithTheBuffers writes over one connection, whose buffers are used again for each request.
func TestWhatIsStoredDoesNotChangeWithTheBuffers(t *testing.T) {
	r := start(t)
	keep := &nethttp.Client{Transport: documented(&nethttp.Transport{})}
	defer keep.CloseIdleConnections()
	send := func(method, body string) string {
		request, err := nethttp.NewRequest(method, "http://"+r.Addr().String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := keep.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode != nethttp.StatusOK {
			t.Fatalf("%s: %d %s", method, response.StatusCode, text)
		}
		return string(text)
	}
	var ask, want []string
	for i := range 40 {
		entry := fmt.Sprintf(`{"user_id":"user%02d@example.test","spreed":{"status":"busy","message":"message %02d"}}`, i, i)
		send("PUT", r.body(service, entry))
		ask, want = append(ask, fmt.Sprintf(`{"user_id":"user%02d@example.test"}`, i)), append(want, entry)
	}
	if got := send("GET", r.body(mark, strings.Join(ask, ","))); got != `{"Type":"UserStatus","UserStatus":[`+strings.Join(want, ",")+`]}` {
		t.Errorf("GET: %s", got)
	}
}

func TestChunkedBody(t *testing.T) {
	r := start(t)
	body := r.body(mark, `{"user_id":"markd@zarafa.com"}`)
	for _, method := range []string{"GET", "POST"} {
		request, err := nethttp.NewRequest(method, "http://"+r.Addr().String(), io.MultiReader(strings.NewReader(body[:20]), strings.NewReader(body[20:])))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request) // its length is unknown, so it is sent in chunks
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != nethttp.StatusOK || string(text) != `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com"}]}` {
			t.Errorf("%s: %d %s", method, response.StatusCode, text)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	r := start(t)
	body := r.body(mark, `{"user_id":"markd@zarafa.com"}`)
	request, err := nethttp.NewRequest("GET", "http://"+r.Addr().String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue")
	patient := &nethttp.Client{Transport: documented(&nethttp.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}), Timeout: 10 * time.Second}
	response, err := patient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != nethttp.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

// TestLargeAnswer asks one user with a long message so often that the answer is made while it is sent.
func TestLargeAnswer(t *testing.T) {
	r := start(t)
	message := strings.Repeat("\x01é", domain.MaxMessage/3)
	r.knows(t, mark, spreed, domain.Available, message)
	got := r.do(t, "GET", r.body(alice, strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 2000), ",")))
	var parsed struct {
		UserStatus []struct {
			User   string `json:"user_id"`
			Spreed struct{ Status, Message string }
		}
	}
	if err := json.Unmarshal([]byte(got.body), &parsed); got.status != 200 || err != nil || len(parsed.UserStatus) != 2000 {
		t.Fatalf("status %d, %v, %d entries", got.status, err, len(parsed.UserStatus))
	}
	if length := got.header.Get("Content-Length"); length != fmt.Sprint(len(got.body)) {
		t.Errorf("Content-Length %s of %d bytes", length, len(got.body))
	}
	for _, entry := range parsed.UserStatus {
		if entry.User != mark || entry.Spreed.Message != message {
			t.Fatalf("entry %+v", entry)
		}
	}
}

// allPointers returns what a refusal's errors point to.
func (p problem) pointers() []string {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Pointer)
	}
	return all
}

func TestEveryOffendingEntryIsNamedAndNothingIsDone(t *testing.T) {
	long := strings.Repeat("x", domain.MaxMessage+1)
	for _, test := range []struct {
		name, method, as, entries string
		status                    int
		pointers                  []string
	}{
		{"bad ids in a query", "GET", mark, `{"user_id":"markd@zarafa.com"},{"user_id":"nobody"},{"user_id":""}`, 422,
			[]string{"#/UserStatus/1/user_id", "#/UserStatus/2/user_id"}},
		{"bad values", "PUT", mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"lunch"},"board":{"status":"busy"}},` +
			`{"user_id":"markd@zarafa.com","sprid":{"status":"busy"}},` +
			`{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"` + long + `"}}`, 422,
			[]string{"#/UserStatus/0/spreed/status", "#/UserStatus/1/sprid", "#/UserStatus/2/spreed/message"}},
		{"bad ids in an update", "PUT", service, `{"user_id":"nobody","spreed":{"status":"busy"},"board":{"status":"busy"}},` +
			`{"user_id":"alice@example.test","spreed":{"status":"busy"}},{"user_id":"no body@x"}`, 422,
			[]string{"#/UserStatus/0/user_id", "#/UserStatus/2/user_id"}},
		{"a bad id that is only asked", "POST", mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}},{"user_id":"nobody"}`, 422,
			[]string{"#/UserStatus/1/user_id"}},
		{"others", "PUT", mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}},{"user_id":"alice@example.test","spreed":{"status":"busy"}},` +
			`{"user_id":"bob@example.test","spreed":{"status":"busy"}}`, 403,
			[]string{"#/UserStatus/1/user_id", "#/UserStatus/2/user_id"}},
		{"others, and bad values", "PUT", mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"lunch"}},{"user_id":"alice@example.test","spreed":{"status":"busy"}}`, 403,
			[]string{"#/UserStatus/0/spreed/status", "#/UserStatus/1/user_id"}},
		{"another value of a read-only protocol", "PUT", mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"},"xmpp":{"status":"busy","message":""}}`, 422,
			[]string{"#/UserStatus/0/xmpp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t)
			r.knows(t, mark, xmpp, domain.Away, "")
			before := r.state()
			got := r.do(t, test.method, r.body(domain.UserID(test.as), test.entries))
			if got.status != test.status {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			if pointers := got.problem(t).pointers(); !slices.Equal(pointers, test.pointers) {
				t.Errorf("pointers %q, want %q", pointers, test.pointers)
			}
			if after := r.state(); after != before {
				t.Errorf("the state has changed from\n%sto\n%s", before, after)
			}
		})
	}
}

func TestRepeatingAReadOnlyValueIsNoChange(t *testing.T) {
	r := start(t)
	r.knows(t, mark, xmpp, domain.Away, "out")
	got := r.do(t, "POST", r.body(mark, `{"user_id":"markd@zarafa.com","xmpp":{"status":"away","message":"out"},"spreed":{"status":"busy"}}`))
	if got.status != 200 || !strings.Contains(got.body, `"spreed":{"status":"busy","message":""},"xmpp":{"status":"away","message":"out"}`) {
		t.Errorf("POST: %d %s", got.status, got.body)
	}
}

func TestServiceMayUpdateOthers(t *testing.T) {
	r := start(t)
	got := r.do(t, "PUT", r.body(service, `{"user_id":"alice@example.test","spreed":{"status":"busy"}}`))
	if got.status != 200 {
		t.Errorf("PUT: %d %s", got.status, got.body)
	}
}

func TestRoutes(t *testing.T) {
	r := start(t)
	body := r.body(mark, "")
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200}, {"GET", "/?x=1", 200}, {"PUT", "/", 200}, {"POST", "/", 200},
		{"GET", "/x", 404}, {"PUT", "/x/y", 404}, {"POST", "/%2e%2e/etc", 404}, {"GET", "/UserStatus", 404},
		{"HEAD", "/", 200}, {"HEAD", "/x", 404}, {"DELETE", "/", 405}, {"PATCH", "/", 405}, {"OPTIONS", "/", 405}, {"TRACE", "/", 405}, {"PROPFIND", "/", 405}, {"get", "/", 405},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			if test.method == "HEAD" { // the answer has no body, whatever its Content-Length
				if got := do(t, r.Server, "HEAD", test.path, body); got.status != test.status || got.body != "" {
					t.Errorf("%d %q", got.status, got.body)
				}
				return
			}
			got := raw(t, r.Server, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", test.method, test.path, len(body), body))
			if got.status != test.status {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			if test.status != 200 {
				got.problem(t)
			}
			if allow := got.header.Get("Allow"); (allow == "GET, HEAD, PUT, POST") != (test.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

// mocked is a server over a use case and tokens that do what the test says.
func mocked(t *testing.T) (*http.Server, *mocks.MockPresence, *mocks.MockTokens, *logged) {
	control := gomock.NewController(t)
	presence, tokens, log := mocks.NewMockPresence(control), mocks.NewMockTokens(control), new(logged)
	return startServer(t, localConfig(), &coretest.Core{Presence: presence}, tokens, log), presence, tokens, log
}

const putMark = `{"AuthenticationToken":"t","Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}]}`

func TestStatusOfErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		header map[string]string
	}{
		{"done", nil, 200, nil},
		{"no writes now", fmt.Errorf("the disk is full: %w", ports.ErrUnavailable), 503, map[string]string{"Retry-After": "1"}},
		{"too much at once", fmt.Errorf("2 MB: %w", ports.ErrTooLarge), 413, nil},
		{"bad device", domain.Problems{{Field: domain.FieldDevice, Err: domain.ErrInvalidDevice}}, 422, nil},
		{"bad device, of itself", domain.ErrInvalidDevice, 422, nil},
		{"stopping", context.Canceled, 503, map[string]string{"Retry-After": "1"}},
		{"too slow", context.DeadlineExceeded, 503, map[string]string{"Retry-After": "1"}},
		{"forbidden", domain.Problems{{Err: domain.ErrForbidden}}, 403, nil},
		{"malformed", domain.Problems{{Field: domain.FieldStatus, Err: domain.ErrUnknownStatus}}, 422, nil},
		{"unheard of", errors.New("secret internals"), 500, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, presence, tokens, _ := mocked(t)
			by := domain.Principal{User: mark}
			tokens.EXPECT().Verify("t").Return(by, nil)
			presence.EXPECT().Update(gomock.Any(), by, []domain.Update{{User: mark, Protocol: "spreed", Status: "busy"}}).Return(test.err)
			got := do(t, server, "PUT", "/", putMark)
			if got.status != test.status {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			if test.status != 200 {
				got.problem(t)
			}
			if strings.Contains(got.body, "internals") {
				t.Errorf("the answer tells too much: %s", got.body)
			}
			if test.name == "bad device" && !slices.Equal(got.problem(t).pointers(), []string{"#/UserStatus/0/spreed/device"}) {
				t.Errorf("the device is not named: %s", got.body)
			}
			for name, value := range test.header {
				if got.header.Get(name) != value {
					t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
				}
			}
		})
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	server, presence, tokens, log := mocked(t)
	tokens.EXPECT().Verify("t").Return(domain.Principal{User: mark}, nil).Times(2)
	presence.EXPECT().Update(gomock.Any(), gomock.Any(), gomock.Any()).Do(func(context.Context, domain.Principal, []domain.Update) { panic("at the disco") })
	presence.EXPECT().Update(gomock.Any(), gomock.Any(), gomock.Any())
	got := do(t, server, "PUT", "/", putMark)
	if got.status != 500 || strings.Contains(got.body, "disco") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got.problem(t)
	if !strings.Contains(log.String(), "at the disco") {
		t.Errorf("the log does not mention it: %s", log)
	}
	if got := do(t, server, "PUT", "/", putMark); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

func TestUnauthenticated(t *testing.T) {
	r := start(t)
	bad := r.tokens.Issue(mark)
	bad = bad[:len(bad)-2] + "!="
	for name, token := range map[string]string{"missing": "", "empty": `"AuthenticationToken":"",`, "forged": `"AuthenticationToken":"` + bad + `",`} {
		t.Run(name, func(t *testing.T) {
			// The entry is bad too, but nobody is told before the token was accepted.
			got := r.do(t, "PUT", `{`+token+`"Type":"UserStatus","UserStatus":[{"user_id":"nobody","spreed":{"status":"busy"}}]}`)
			if got.status != 401 || got.header.Get("WWW-Authenticate") == "" {
				t.Fatalf("%d %v %s", got.status, got.header, got.body)
			}
			if p := got.problem(t); len(p.Errors) != 0 {
				t.Errorf("the answer names entries: %s", got.body)
			}
		})
	}
	// What is wrong with the form comes before the token.
	if got := r.do(t, "PUT", `{"AuthenticationToken":"`+bad+`","Type":"UserStatus","UserStatus":[{"user_id":1}]}`); got.status != 400 {
		t.Errorf("bad form and bad token: %d %s", got.status, got.body)
	}
}

func TestRefusalsAreLoggedOnceASecondWithoutTheToken(t *testing.T) {
	r := start(t)
	bad := r.tokens.Issue(mark)
	bad = bad[:len(bad)-2] + "!="
	for range 200 {
		if got := r.do(t, "GET", `{"AuthenticationToken":"`+bad+`","Type":"UserStatus","UserStatus":[]}`); got.status != 401 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	log := r.log.String()
	if n := strings.Count(log, "refused a request"); n < 1 || n > 30 || !strings.Contains(log, "remote=127.0.0.1:") || !strings.Contains(log, "forged") {
		t.Errorf("%d refusals in the log:\n%s", n, log)
	}
	if strings.Contains(log, bad) || strings.Contains(log, secret) {
		t.Errorf("the log tells too much:\n%s", log)
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		note := http.NewRefusals(log)
		for range 3 {
			note()
		}
		time.Sleep(time.Second)
		note()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "others_since=0") || !strings.Contains(lines[1], "others_since=2") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestNothingIsLoggedPerRequest(t *testing.T) {
	r := start(t)
	before := r.log.String()
	for range 20 {
		r.do(t, "POST", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
	}
	if after := r.log.String(); after != before {
		t.Errorf("log: %s", after)
	}
	if strings.Count(before, "\n") != 1 || !strings.Contains(before, r.Addr().String()) {
		t.Errorf("the log says where it listens: %s", before)
	}
}
