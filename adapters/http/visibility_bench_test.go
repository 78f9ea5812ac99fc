package http_test

import (
	"fmt"
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/internal/coretest"
)

// tenRules are rules of every kind. The last one matches the users of the benchmarks.
var tenRules = []domain.VisibilityRule{
	{Viewer: "boss@example.test", User: "*", Sees: "all"},
	{Viewer: "group:helpdesk", User: "*@example.test", Sees: "all"},
	{Viewer: "*@guests.test", User: "*", Sees: "nothing"},
	{Viewer: "service", User: "*", Sees: "all"},
	{Viewer: "key:pbx", User: "*", Sees: "status"},
	{Viewer: "*", User: "group:board", Sees: "status"},
	{Viewer: "group:board", User: "group:helpdesk", Sees: "all"},
	{Viewer: "*@example.test", User: "*", Sees: "all"},
	{Viewer: "*", User: "anna@example.test", Sees: "nothing"},
	{Viewer: "*@zarafa.com", User: "*@example.test", Sees: "all"},
}

// BenchmarkGetOneUserWithRules compares a server with ten rules with one without, over the same presences.
func BenchmarkGetOneUserWithRules(b *testing.B) {
	r, ruled := withRules(b)
	get := func(client int) string { return request("GET", r.body(mark, entry(client))) }
	bench.Compare(b, 0.9, load(b, r.Addr(), get, func([]byte) {}), load(b, ruled.Addr(), get, func([]byte) {}))
}

// BenchmarkV1GetOneUserWithRules is the same on API v1.
func BenchmarkV1GetOneUserWithRules(b *testing.B) {
	r, ruled := withRules(b)
	token := r.tokens.Issue(mark)
	get := func(client int) string {
		return fmt.Sprintf("GET /v1/users/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", user(storedUsers/2+client), token)
	}
	bench.Compare(b, 0.9, load(b, r.Addr(), get, func([]byte) {}), load(b, ruled.Addr(), get, func([]byte) {}))
}

// withRules returns two servers over the same presences. The second one has ten rules.
func withRules(b *testing.B) (r, ruled *running) {
	b.Helper()
	r = populated(b)
	rules, err := domain.NewVisibility(tenRules, domain.UserList{})
	if err != nil {
		b.Fatal(err)
	}
	core := r.core.Core
	core.Sights = app.NewSights(rules, r.core.Groups)
	presence, err := app.NewPresence(core, r.core.Clock, []domain.ClientProtocol{{Protocol: spreed}}, []domain.Protocol{xmpp})
	if err != nil {
		b.Fatal(err)
	}
	second := &coretest.Core{
		Core: core, Image: r.core.Image, Presence: presence, Feed: app.NewFeed(core, r.core.Clock, domain.Precedence{}), Backup: r.core.Backup, Clock: r.core.Clock,
	}
	ruled = startWith(b, localConfig(), second)
	for _, viewer := range []domain.UserID{mark, "guest@guests.test"} { // or the rules would not be in effect
		got := ruled.v1(b, viewer, "GET", "/v1/users/"+user(1), "")
		if seen := as[person](b, 200, got); (seen.Status == "available") != (viewer == mark) {
			b.Fatalf("%s sees %s", viewer, got.body)
		}
	}
	return r, ruled
}
