package http_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
)

// TestStreamsOfOneUserAreBounded: a user gets so many streams and no more, another user and a service are not concerned, and what is closed is free again.
func TestStreamsOfOneUserAreBounded(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxStreamsPerUser, cfg.MaxWatchedPerUser = 3, 5 })
	refused := func(users int, want string) {
		t.Helper()
		got := r.v1(t, mark, "POST", "/v1/events", listOf(users))
		if got.status != 429 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, want) {
			t.Errorf("%d %s", got.status, got.body)
		}
		got.problem(t)
	}
	first := r.watch(t, mark, "POST", "/v1/events", listOf(4))
	first.until(t, "ready")
	refused(2, "watches 4 users already; 2 more are too many (http.max_watched_per_user): at most 5 are allowed; close streams, or watch fewer")
	second, third := r.watch(t, mark, "POST", "/v1/events", listOf(1)), r.watch(t, mark, "POST", "/v1/events", listOf(0))
	second.until(t, "ready")
	third.until(t, "ready")
	refused(0, "has 3 event streams already (http.max_streams_per_user)")
	r.watch(t, alice, "POST", "/v1/events", listOf(5)).until(t, "ready")
	for range 4 {
		r.watch(t, service, "POST", "/v1/events", listOf(6)).until(t, "ready")
	}
	_ = first.Close()
	eventually(t, func() bool { return r.Streams() == 7 })
	eventually(t, func() bool {
		s, _ := r.tryWatch(t, "POST", "/v1/events", listOf(4), "Authorization: Bearer "+r.tokens.Issue(mark))
		return s != nil
	})
	refused(0, "has 3 event streams already")
}

// listOf is a body that lists so many users.
func listOf(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("%q", user(i))
	}
	return `{"users":[` + strings.Join(users, ",") + `]}`
}

// TestStreamsThatAreNotReadShareTheirList has many subscribers follow everybody, and read no more than the first event.
func TestStreamsThatAreNotReadShareTheirList(t *testing.T) {
	const streams, users = 60, 20_000
	r := start(t)
	for i := range users {
		r.knows(t, domain.UserID(user(i)), xmpp, domain.Away, "")
	}
	r.watch(t, service, "GET", "/v1/events", "").until(t, "presence")
	before := heap()
	for range streams {
		r.watch(t, service, "GET", "/v1/events", "").until(t, "presence")
	}
	if took := (int64(heap()) - int64(before)) / streams; took > 150<<10 {
		t.Errorf("each of them takes %d KiB", took>>10)
	}
	last := r.watch(t, service, "GET", "/v1/events", "")
	if n := strings.Count(last.until(t, "ready"), "event: presence"); n != users {
		t.Errorf("there are %d users, and a subscriber was told %d", users, n)
	}
	r.knows(t, mark, xmpp, domain.Away, "")
	eventually(t, func() bool { return strings.Contains(last.until(t, "presence"), mark) })
	again := r.watch(t, service, "GET", "/v1/events", "")
	if all := again.until(t, "ready"); strings.Count(all, "event: presence") != users+1 || !strings.Contains(all, mark) {
		t.Error("who comes after a change is not told of it before ready")
	}
}
