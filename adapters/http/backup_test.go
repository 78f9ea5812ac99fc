package http_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
)

// TestExportAndImport: what one server exports another one takes over, once.
func TestExportAndImport(t *testing.T) {
	from, to := start(t), start(t)
	from.knows(t, mark, spreed, domain.Busy, "zurück um ½4 ☕\n")
	from.knows(t, alice, xmpp, domain.Away, "")
	exported := from.v1(t, service, "GET", "/v1/export", "")
	if exported.status != 200 || exported.header.Get("Content-Type") != "application/jsonl" {
		t.Fatalf("%+v", exported)
	}
	lines := strings.Split(exported.body, "\n")
	if len(lines) != 3 || lines[2] != "" || !strings.HasPrefix(lines[0], `{"user":"alice@example.test","protocol":"xmpp","status":"away","message":"","since":"`) {
		t.Errorf("exported\n%s", exported.body)
	}
	for _, want := range []string{`{"imported":2,"kept":0}`, `{"imported":0,"kept":2}`} {
		if got := to.v1(t, service, "POST", "/v1/import", exported.body); got.status != 200 || got.body != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	if again := to.v1(t, service, "GET", "/v1/export", ""); again.body != exported.body {
		t.Errorf("exported again\n%swant\n%s", again.body, exported.body)
	}
	if got := to.v1(t, service, "POST", "/v1/import", ""); got.status != 200 || got.body != `{"imported":0,"kept":0}` {
		t.Errorf("an import of nothing: %+v", got)
	}
}

// TestBackupsAreForServices: nobody else may see everybody, or write as any protocol.
func TestBackupsAreForServices(t *testing.T) {
	r := start(t)
	for _, request := range [][2]string{{"GET", "/v1/export"}, {"POST", "/v1/import"}} {
		if got := r.v1(t, mark, request[0], request[1], ""); got.status != 403 {
			t.Errorf("%s %s: %+v, want 403", request[0], request[1], got)
		}
		if got := send(t, r.Server, request[0], request[1], ""); got.status != 401 {
			t.Errorf("%s %s without a token: %+v, want 401", request[0], request[1], got)
		}
		if got := r.v1(t, service, request[0], request[1]+"?all=1", ""); got.status != 400 {
			t.Errorf("%s %s with a query: %+v, want 400", request[0], request[1], got)
		}
	}
}

// TestWrongLines: all of them are named, and nothing is imported.
func TestWrongLines(t *testing.T) {
	r := start(t)
	const good = `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","since":"2026-11-23T09:00:00Z","updated":"2026-11-23T09:00:00Z"}`
	got := r.v1(t, service, "POST", "/v1/import", good+"\n\n{\n"+strings.Replace(good, "busy", "lunch", 1)+"\n")
	if got.status != 422 || !strings.Contains(got.body, `line 3: not JSON`) || !strings.Contains(got.body, `line 4: status: unknown status \"lunch\"`) {
		t.Errorf("%+v", got)
	}
	if kept := r.v1(t, service, "GET", "/v1/export", ""); kept.body != "" {
		t.Errorf("there is %s", kept.body)
	}
	if got := r.v1(t, service, "POST", "/v1/import", strings.Repeat(good+"\n", 10_000)); got.status != 413 {
		t.Errorf("more than a MiB: %d, want 413", got.status)
	}
}

// TestLargeExport: it is sent in parts, and a client may take longer for all of it than for one answer.
func TestLargeExport(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.WriteTimeout = 500 * time.Millisecond })
	const users = 4000
	for i := range users {
		r.knows(t, domain.UserID(fmt.Sprintf("user%d@example.test", i)), spreed, domain.Busy, strings.Repeat("x", 4000))
	}
	request, err := nethttp.NewRequest("GET", "http://"+r.Addr().String()+"/v1/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.tokens.Issue(service))
	plain := nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines, buffer := 0, make([]byte, 1<<20)
	for began := time.Now(); ; {
		n, err := response.Body.Read(buffer)
		lines += strings.Count(string(buffer[:n]), "\n")
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(began) < time.Second { // longer than write_timeout
			time.Sleep(20 * time.Millisecond)
		}
	}
	if lines != users {
		t.Errorf("%d lines, want %d", lines, users)
	}
}
