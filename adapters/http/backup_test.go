package http_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

// TestExportAndImport: what one daemon exports another takes over, and what it has is newer stays.
func TestExportAndImport(t *testing.T) {
	one, other := start(t), start(t)
	one.knows(t, mark, spreed, domain.Busy, "in a \"meeting\"\n")
	for i := range 3000 {
		one.knows(t, domain.UserID(user(i)), xmpp, domain.Away, "out")
	}
	exported := one.v1(t, service, "GET", "/v1/export", "")
	lines := strings.SplitAfter(exported.body, "\n")
	if exported.status != 200 || exported.header.Get("Content-Type") != "application/jsonl" || len(lines) != 3002 || lines[3001] != "" ||
		!strings.HasPrefix(lines[0], `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a \"meeting\"\n","since":"`) {
		t.Fatalf("the export: %d %v, %d lines, first %s", exported.status, exported.header, len(lines), lines[0])
	}
	other.knows(t, mark, spreed, domain.Away, "newer")
	for _, want := range []string{`{"imported":3000,"kept":1}`, `{"imported":0,"kept":3001}`} {
		if got := other.v1(t, service, "POST", "/v1/import", exported.body); got.status != 200 || got.body != want {
			t.Errorf("import: %d %s, want %s", got.status, got.body, want)
		}
	}
	again := strings.SplitAfter(other.v1(t, service, "GET", "/v1/export", "").body, "\n")
	if strings.Join(again[1:], "") != strings.Join(lines[1:], "") || !strings.Contains(again[0], `"message":"newer"`) {
		t.Errorf("what was imported is exported as\n%.500s", strings.Join(again, ""))
	}
}

// TestBackupRefusals: nothing is done.
func TestBackupRefusals(t *testing.T) {
	r := start(t)
	const good = `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"","since":"2026-11-23T09:00:00Z","updated":"2026-11-23T09:00:00Z","stale":false}` + "\n"
	for _, test := range []struct {
		as                 domain.UserID
		method, path, body string
		status             int
		detail             string
	}{
		{mark, "GET", "/v1/export", "", 403, "only services may export and import"},
		{mark, "POST", "/v1/import", good, 403, "only services may export and import"},
		{service, "GET", "/v1/export?since=1", "", 400, "the URL takes no query"},
		{service, "POST", "/v1/import", good + "\n" + `{"user":"markd@zarafa.com"}`, 400, "nothing was imported: line 3: protocol is missing"},
		{service, "POST", "/v1/import", good + strings.Repeat("x\n", 100), 400, "and more"},
		{service, "POST", "/v1/import", strings.Repeat("x", 70_000), 400, "line 1: the line is longer than"},
		{service, "POST", "/v1/import", strings.Repeat(good, 8000), 413, ""},
		{service, "PUT", "/v1/import", good, 405, ""},
	} {
		got := r.v1(t, test.as, test.method, test.path, test.body)
		if got.status != test.status || !strings.Contains(got.problem(t).Detail, test.detail) {
			t.Errorf("%s %s by %s with %.40s: %d %s", test.method, test.path, test.as, test.body, got.status, got.body)
		}
	}
	if state := r.state(); state != "" {
		t.Errorf("the state has changed to\n%s", state)
	}
	if got := r.v1(t, service, "POST", "/v1/import", ""); got.status != 200 || got.body != `{"imported":0,"kept":0}` {
		t.Errorf("an empty import: %d %s", got.status, got.body)
	}
}

func TestImportThatFails(t *testing.T) {
	const line = `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","since":"2026-11-23T09:00:00Z","updated":"2026-11-23T09:00:00Z"}`
	for err, status := range map[error]int{ports.ErrUnavailable: 503, ports.ErrTooLarge: 413} {
		control := gomock.NewController(t)
		backup, tokens := mocks.NewMockBackup(control), mocks.NewMockTokens(control)
		tokens.EXPECT().Verify("t").Return(domain.Principal{User: service, Service: true}, nil)
		backup.EXPECT().Import(gomock.Any(), gomock.Len(1)).Return(0, fmt.Errorf("the journal: %w", err))
		server := startServer(t, localConfig(), nil, nil, backup, tokens, new(logged))
		if got := send(t, server, "POST", "/v1/import", line, "Authorization: Bearer t"); got.status != status {
			t.Errorf("%v: %d %s", err, got.status, got.body)
		}
	}
}
