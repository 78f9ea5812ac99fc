package http_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// largest is a message that takes six times its size as JSON.
var largest = strings.Repeat("\x01", domain.MaxMessage)

// TestAnswersHaveABudget asks ten thousand times for the user with the longest message there is.
func TestAnswersHaveABudget(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxAnswer = setting.MiB })
	r.knows(t, mark, spreed, domain.Busy, largest)
	list := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, n), ",")
	}
	refused := func(name string, got answer, begin string) {
		t.Helper()
		if got.status != 413 || !strings.HasPrefix(got.problem(t).Detail, begin) || !strings.Contains(got.body, "1MiB (http.max_answer): ask for fewer users at once") {
			t.Errorf("%s: %d %.200s", name, got.status, got.body)
		}
	}
	refused("GET /", r.do(t, "GET", r.body(mark, list(10_000))), "the answer")
	refused("POST / without an update", r.do(t, "POST", r.body(mark, list(10_000))), "the answer")
	refused("POST / with an update", r.do(t, "POST", r.body(mark, `{"user_id":"markd@zarafa.com","board":{"status":"away"}},`+list(100))), "the updates were carried out, but the answer")
	if !strings.Contains(r.state(), "Protocol:board") {
		t.Error("the update was not carried out")
	}
	users := strings.TrimSuffix(strings.Repeat(`"markd@zarafa.com",`, 10_000), ",")
	refused("POST /v1/users:query", r.v1(t, mark, "POST", "/v1/users:query", `{"users":[`+users+`]}`), "the answer")
	if got := r.do(t, "GET", r.body(mark, list(20))); got.status != 200 || len(got.body) < 400<<10 {
		t.Errorf("20 of them: %d, %d bytes", got.status, len(got.body))
	}
}

// TestStopWithLargeAnswers stops the server while 32 answers of 240 MB are being made or sent.
func TestStopWithLargeAnswers(t *testing.T) {
	const clients = 32
	r := start(t, func(cfg *http.Config) { cfg.MaxAnswer = setting.GiB })
	r.knows(t, mark, spreed, domain.Busy, largest)
	body := r.body(mark, strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 10_000), ","))
	for range clients {
		c := dial(t, r.Server)
		defer c.Close()
		_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	eventually(t, func() bool { return r.Busy() == clients })
	began := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 1400*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
}

// TestRefusalsAreShort sends names of 900 kB where none is known, in the wrong place, or twice.
func TestRefusalsAreShort(t *testing.T) {
	r := start(t)
	name := strings.Repeat("é", 450_000)
	entry := func(text string) string { return r.body(mark, text) }
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","` + name + `":1}`, 400},
		{"PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"` + name + `"}`, 422},
		{"PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","message":"` + name + `"}`, 422},
		{"PUT", "/v1/users/markd@zarafa.com/spreed", `{"status":"busy","until":"` + name + `"}`, 400},
		{"POST", "/v1/users:query", `{"` + name + `":[]}`, 400},
		{"POST", "/v1/users:query", `{"users":["` + name + `"]}`, 422},
		{"POST", "/v1/users:query", `{"users":[{"` + name + `":1}]}`, 400},
		{"POST", "/v1/events", `{"` + name + `":[]}`, 400},
		{"PUT", "/", entry(`{"user_id":"` + name + `","spreed":{"status":"busy"}}`), 422},
		{"PUT", "/", entry(`{"user_id":"markd@zarafa.com","` + name + `":{"status":"busy"}}`), 422},
		{"PUT", "/", entry(`{"user_id":"markd@zarafa.com","` + name + `":1}`), 400},
		{"PUT", "/", entry(`{"user_id":"markd@zarafa.com","` + name[:400_000] + `":{"status":"busy"},"` + name[:400_000] + `":{"status":"busy"}}`), 400},
		{"PUT", "/", `{"` + name + `"`, 400},
		{"PUT", "/", strings.Replace(entry(""), `"UserStatus"`, `"`+name+`"`, 1), 400},
	} {
		got := r.v1(t, mark, test.method, test.path, test.body)
		if got.status != test.status || len(got.body) > 2<<10 {
			t.Errorf("%s %s %.60s: %d with %d bytes: %.300s", test.method, test.path, test.body, got.status, len(got.body), got.body)
		}
		got.problem(t)
	}
}
