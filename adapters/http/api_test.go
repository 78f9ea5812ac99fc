package http_test

import (
	"testing"

	"github.com/zarafa/presence/domain"
)

func TestGet(t *testing.T) {
	r := start(t)
	r.knows(t, mark, "spreed", domain.Available, "feeling chatty..")
	r.knows(t, mark, "xmpp", domain.Away, "")
	r.knows(t, alice, "xmpp", domain.Busy, "\"quoted\" \\ \n\u2028 \x01 ünïcødé 😀")
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
