package audit_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/audit"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	l := audit.New()
	if l.On() {
		t.Error("it is on before there is a log")
	}
	l.Note(make([]ports.AuditEntry, 1)) // goes nowhere
	l.WriteTo(slog.New(slog.NewJSONHandler(&out, nil)))
	if !l.On() {
		t.Error("it is off")
	}
	from := ports.Origin{By: domain.Principal{User: "markd@zarafa.com"}, Address: "192.0.2.1", Request: "5eac7d1e21603f72"}
	service := ports.Origin{By: domain.Principal{User: "service@example.test", Service: true}}
	until := domain.TimestampOf(time.Date(2026, 11, 23, 16, 0, 0, 250e6, time.UTC))
	l.Note([]ports.AuditEntry{
		{Origin: from, User: "markd@zarafa.com", Protocol: "manual", Status: "busy", Until: until, Change: true},
		{Origin: from, Action: ports.ActionRemove, Outcome: ports.OutcomeRefused, User: "alice@example.test", Protocol: "spreed", Device: "phone"},
		{Origin: service, Action: ports.ActionImport, Outcome: ports.OutcomeFailed, User: "alice@example.test", Protocol: "spreed", Status: "away"},
	})
	const want = `{"level":"INFO","msg":"set","outcome":"done","by":"markd@zarafa.com","service":false,"address":"192.0.2.1","request_id":"5eac7d1e21603f72","user":"markd@zarafa.com","protocol":"manual","device":"","status":"busy","until":"2026-11-23T16:00:00.250Z","change":true}
{"level":"INFO","msg":"remove","outcome":"refused","by":"markd@zarafa.com","service":false,"address":"192.0.2.1","request_id":"5eac7d1e21603f72","user":"alice@example.test","protocol":"spreed","device":"phone"}
{"level":"INFO","msg":"import","outcome":"failed","by":"service@example.test","service":true,"address":"","request_id":"","user":"alice@example.test","protocol":"spreed","device":"","status":"away","until":"","change":false}
`
	if got := regexp.MustCompile(`"time":"[^"]*",`).ReplaceAllString(out.String(), ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
