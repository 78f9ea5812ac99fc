package http_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/setting"
)

// named replaces the table of identities.
func named(t tester, core *coretest.Core, records ...domain.Identity) {
	t.Helper()
	table, err := domain.NewIdentities(records)
	if err != nil {
		t.Fatal(err)
	}
	core.Identities.Replace(table)
	core.Directory.Regroup()
}

var (
	inHelpdesk = domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk", "a/b & c"}}
	inBoth     = domain.Identity{User: alice, Groups: []string{"helpdesk", "sales"}}
	inPhones   = domain.Identity{User: "u{number}@example.test", Groups: []string{"phones", "helpdesk"}}
)

// startWithGroups starts a server that knows zoe, alice, who is nowhere, and u7, and is told nothing of u8.
func startWithGroups(t tester) *running {
	t.Helper()
	r := start(t)
	r.knows(t, "zoe@example.test", xmpp, domain.Available, "")
	r.knows(t, "u7@example.test", xmpp, domain.Busy, "")
	named(t, r.core, inHelpdesk, inBoth, inPhones)
	return r
}

// Groups stand for their members wherever users are named: after those who are named, each once.
func TestV1GetUsersOfGroups(t *testing.T) {
	r := startWithGroups(t)
	if got := as[people](t, 200, r.v1(t, mark, "GET", "/v1/users?group=phones&since=2", "")); len(got.Users) != 1 {
		t.Errorf("whoever has asked before the start is answered with %v", got.names())
	}
	r.knows(t, "x1@example.test", xmpp, domain.Busy, "")
	r.knows(t, "u7@example.test", xmpp, domain.Away, "")
	for query, want := range map[string]string{
		"group=helpdesk": "alice@example.test u7@example.test zoe@example.test",
		"user=markd@zarafa.com&group=sales&group=helpdesk&user=ZOE@Example.test": "markd@zarafa.com ZOE@Example.test alice@example.test u7@example.test",
		"group=a%2Fb%20%26%20c":                        "zoe@example.test",
		"group=phones&since=1":                         "u7@example.test",
		"group=helpdesk&since=3&user=zoe@example.test": "u7@example.test",
		"group=helpdesk&since=4&user=zoe@example.test": "",
	} {
		got := as[people](t, 200, r.v1(t, mark, "GET", "/v1/users?"+query, ""))
		if names := strings.Join(got.names(), " "); names != want || got.Revision != 4 {
			t.Errorf("%s is answered with %s at %d, want %s", query, names, got.Revision, want)
		}
	}
	got := r.v1(t, mark, "POST", "/v1/users:query", `{"groups":["sales"],"users":["markd@zarafa.com"]}`)
	if want := r.v1(t, mark, "GET", "/v1/users?user=markd@zarafa.com&group=sales", ""); got.status != 200 || got.body != want.body {
		t.Errorf("POST: %d %s\nwant %s", got.status, got.body, want.body)
	}
	if got := r.v1(t, mark, "POST", "/v1/users:query", `{"groups":[]}`); got.status != 200 || got.body != `{"revision":4,"users":[]}` {
		t.Errorf("POST of no groups: %d %s", got.status, got.body)
	}
	named(t, r.core, inHelpdesk, inBoth, inPhones, domain.Identity{User: "carl@example.test", Groups: []string{"phones"}})
	if got := as[people](t, 200, r.v1(t, mark, "GET", "/v1/users?group=phones&since=4", "")); strings.Join(got.names(), " ") != "carl@example.test u7@example.test" {
		t.Errorf("after a change of the groups: %v", got.names())
	}
	tag := r.v1(t, mark, "GET", "/v1/users?group=phones", "").header.Get("Etag")
	for _, known := range []struct {
		user   domain.UserID
		status int
	}{{"x9@example.test", 304}, {"u8@example.test", 200}} {
		r.knows(t, known.user, xmpp, domain.Away, "")
		if got := r.v1(t, mark, "GET", "/v1/users?group=phones", "", "If-None-Match: "+tag); got.status != known.status {
			t.Errorf("when %s became known: %d", known.user, got.status)
		}
	}
}

func TestV1Groups(t *testing.T) {
	r := startWithGroups(t)
	all := r.v1(t, mark, "GET", "/v1/groups", "")
	const want = `{"groups":[{"group":"a/b & c","members":1},{"group":"helpdesk","members":3},{"group":"phones","members":1},{"group":"sales","members":1}]}`
	if all.status != 200 || all.body != want || all.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%d %v %s\nwant %s", all.status, all.header, all.body, want)
	}
	for name, want := range map[string]string{
		"helpdesk":          `{"group":"helpdesk","members":3,"statuses":{"available":1,"busy":1,"away":0,"unavailable":1}}`,
		"phones":            `{"group":"phones","members":1,"statuses":{"available":0,"busy":1,"away":0,"unavailable":0}}`,
		"a%2Fb%20%26%20c":   `{"group":"a/b & c","members":1,"statuses":{"available":1,"busy":0,"away":0,"unavailable":0}}`,
		"%68elpdesk":        `{"group":"helpdesk","members":3,"statuses":{"available":1,"busy":1,"away":0,"unavailable":1}}`,
		"helpdesk%20?since": "",
	} {
		got := r.v1(t, mark, "GET", "/v1/groups/"+name, "")
		if want == "" && got.status != 400 || want != "" && (got.status != 200 || got.body != want) {
			t.Errorf("%s: %d %s\nwant %s", name, got.status, got.body, want)
		}
	}
	one := r.v1(t, mark, "GET", "/v1/groups/helpdesk", "")
	r.knows(t, "zoe@example.test", xmpp, domain.Available, "a message that nobody counts")
	r.knows(t, mark, xmpp, domain.Available, "")
	for path, before := range map[string]answer{"/v1/groups": all, "/v1/groups/helpdesk": one} {
		if got := r.v1(t, mark, "GET", path, "", "If-None-Match: "+before.header.Get("Etag")); got.status != 304 || got.body != "" {
			t.Errorf("%s when the same is to be said: %d %s", path, got.status, got.body)
		}
	}
	r.knows(t, "zoe@example.test", xmpp, domain.Away, "")
	if got := r.v1(t, mark, "GET", "/v1/groups/helpdesk", "", "If-None-Match: "+one.header.Get("Etag")); got.status != 200 || !strings.Contains(got.body, `"away":1`) {
		t.Errorf("after a change: %d %s", got.status, got.body)
	}
	named(t, r.core)
	if got := r.v1(t, mark, "GET", "/v1/groups", ""); got.body != `{"groups":[]}` {
		t.Errorf("without groups: %s", got.body)
	}
}

// What there is not is named, at its place.
func TestV1UnknownGroups(t *testing.T) {
	r := startWithGroups(t)
	for _, test := range []struct{ method, path, body, want string }{
		{"GET", "/v1/users?group=helpdesk&group=Helpdesk&user=markd@zarafa.com", "", `[{"detail":"unknown group \"Helpdesk\"","parameter":"group"}]`},
		{"GET", "/v1/groups/x", "", `[{"detail":"unknown group \"x\"","parameter":"group"}]`},
		{"GET", "/v1/events?group=x", "", `[{"detail":"unknown group \"x\"","parameter":"group"}]`},
		{"POST", "/v1/users:query", `{"groups":["helpdesk","x",""]}`, `[{"detail":"unknown group \"x\"","pointer":"#/groups/1"},{"detail":"unknown group \"\"","pointer":"#/groups/2"}]`},
		{"POST", "/v1/events", `{"users":[],"groups":["x"]}`, `[{"detail":"unknown group \"x\"","pointer":"#/groups/0"}]`},
	} {
		got := r.v1(t, mark, test.method, test.path, test.body)
		if want := `{"title":"Unprocessable Entity","status":422,"detail":"nothing was done, because of what is wrong with these entries","errors":` + test.want + `}`; got.status != 422 || got.body != want {
			t.Errorf("%s %s: %d %s\nwant %s", test.method, test.path, got.status, got.body, want)
		}
	}
}

// A group counts with all its members where it is bounded how many users one may ask for.
func TestV1TooManyMembers(t *testing.T) {
	r := start(t)
	records := make([]domain.Identity, 9_999)
	for i := range records {
		records[i] = domain.Identity{User: fmt.Sprintf("u%d@example.test", i), Groups: []string{"all"}}
	}
	records = append(records, domain.Identity{User: alice, Groups: []string{"one"}}, domain.Identity{User: mark, Groups: []string{"one"}})
	named(t, r.core, records...)
	for path, want := range map[string]int{
		"/v1/users?group=all&user=markd@zarafa.com": 200, "/v1/users?group=all&group=one": 413, "/v1/users?group=all&group=all": 413,
		"/v1/users?group=all&user=markd@zarafa.com&user=markd@zarafa.com": 413, "/v1/groups/all": 200, "/v1/events?group=all&group=one": 413,
	} {
		got := r.v1(t, service, "GET", path, "")
		if got.status != want || want == 413 && got.problem(t).Detail != "the users and the members of the groups are more than the 10000 that one request may be about" {
			t.Errorf("%s: %d %.300s", path, got.status, got.body)
		}
	}
	named(t, r.core, append(records, domain.Identity{User: "a@example.test", Groups: []string{"all"}}, domain.Identity{User: "b@example.test", Groups: []string{"all"}})...)
	if got := r.v1(t, mark, "GET", "/v1/groups", ""); got.body != `{"groups":[{"group":"all","members":null},{"group":"one","members":2}]}` {
		t.Errorf("the groups are %s", got.body)
	}
	if got := r.v1(t, mark, "GET", "/v1/groups/all", ""); got.status != 413 {
		t.Errorf("too large a group: %d %s", got.status, got.body)
	}
}

// A key is told of the members that it lists. A group without such members does not exist for it.
func TestV1GroupsForKeys(t *testing.T) {
	core := coretest.Start(t)
	named(t, core, inHelpdesk, inBoth, inPhones)
	cfg := auth.DefaultConfig()
	key, hash := auth.NewKey()
	cfg.Secret, cfg.Keys = setting.NewSecret(secret), []auth.Key{{Name: "wall", Hash: hash, Users: []string{"zoe@example.test", "group:phones"}, Read: true}}
	tokens, err := auth.NewWithGroups(cfg, clock.New(), core.Identities)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, localConfig(), core, tokens, new(logged))
	r := &running{Server: server, core: core}
	r.knows(t, "u7@example.test", xmpp, domain.Busy, "")
	for path, want := range map[string]string{
		"/v1/groups":             `{"groups":[{"group":"a/b & c","members":1},{"group":"helpdesk","members":2},{"group":"phones","members":1}]}`,
		"/v1/groups/helpdesk":    `{"group":"helpdesk","members":2,"statuses":{"available":0,"busy":1,"away":0,"unavailable":1}}`,
		"/v1/groups/sales":       `unknown group \"sales\"`,
		"/v1/users?group=sales":  `unknown group \"sales\"`,
		"/v1/events?group=sales": `unknown group \"sales\"`,
		"/v1/users?limit=10":     `only services may ask for everybody`,
	} {
		if got := send(t, server, "GET", path, "", "Authorization: Bearer "+key); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s\nwant %s", path, got.status, got.body, want)
		}
	}
	got := as[people](t, 200, send(t, server, "GET", "/v1/users?group=helpdesk", "", "Authorization: Bearer "+key))
	if names := strings.Join(got.names(), " "); names != "u7@example.test zoe@example.test" {
		t.Errorf("the members are %s", names)
	}
}

// Everybody, page by page, each with where the next one begins.
func TestV1Everybody(t *testing.T) {
	r := start(t)
	for _, user := range []domain.UserID{"c@example.test", "a@example.test", "b@example.test", "bücher@example.test"} {
		r.knows(t, user, xmpp, domain.Away, "")
	}
	var names []string
	path := "/v1/users?limit=3"
	for range 2 {
		got := r.v1(t, service, "GET", path, "")
		page := as[struct {
			people
			Next *string
		}](t, 200, got)
		names = append(names, page.names()...)
		if page.Revision != 4 || len(names) == 3 && (page.Next == nil || *page.Next != "bücher@example.test" || !strings.HasSuffix(got.body, `],"next":"bücher@example.test"}`)) ||
			len(names) == 4 && (page.Next != nil || !strings.HasSuffix(got.body, `],"next":null}`)) {
			t.Errorf("%s: %s", path, got.body)
		}
		if again := r.v1(t, service, "GET", path, "", "If-None-Match: "+got.header.Get("Etag")); again.status != 304 {
			t.Errorf("%s again: %d", path, again.status)
		}
		path += "&after=B%C3%BCcher@example.test"
	}
	if got := strings.Join(names, " "); got != "a@example.test b@example.test bücher@example.test c@example.test" {
		t.Errorf("everybody is %s", got)
	}
	if got := r.v1(t, service, "GET", "/v1/users?limit=4", ""); !strings.HasSuffix(got.body, `],"next":null}`) {
		t.Errorf("a page that is full at the end: %s", got.body)
	}
	if got := r.v1(t, service, "GET", "/v1/users?limit=4&after=zoe@example.test", ""); got.body != `{"revision":4,"users":[],"next":null}` {
		t.Errorf("after everybody: %s", got.body)
	}
	for path, want := range map[string]int{"/v1/users?limit=4&after=zoe": 422, "/v1/users?limit=0": 400, "/v1/users": 400} {
		if got := r.v1(t, service, "GET", path, ""); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := r.v1(t, mark, "GET", "/v1/users?limit=4", ""); got.status != 403 || !strings.Contains(got.problem(t).Detail, "only services may ask for everybody") {
		t.Errorf("somebody who is no service: %d %s", got.status, got.body)
	}
	if got := as[people](t, 200, r.v1(t, service, "POST", "/v1/users:query", `{"users":["a@example.test"]}`)); len(got.Users) != 1 {
		t.Errorf("a list after the pages: %+v", got)
	}
}

// Whoever a rule hides is in no list, no number and no stream of a group; and a group of nobody else is not there.
func TestV1GroupsOfHidden(t *testing.T) {
	r := start(t)
	r.knows(t, "zoe@example.test", xmpp, domain.Available, "")
	r.knows(t, "u7@example.test", xmpp, domain.Available, "")
	r.knows(t, "u8@example.test", xmpp, domain.Busy, "hidden from who sees the status alone")
	named(t, r.core, inHelpdesk, inBoth, inPhones, domain.Identity{User: "u{number}@elsewhere.test", Groups: []string{"elsewhere"}})
	r.rule(t, carl+" zoe@example.test nothing", carl+" u7@example.test nothing", carl+" *@elsewhere.test nothing", carl+" * status", "* * all")
	const sees = `{"group":"helpdesk","members":2,"statuses":{"available":0,"busy":1,"away":0,"unavailable":1}}`
	got := r.v1(t, carl, "GET", "/v1/groups/helpdesk", "")
	if got.body != sees {
		t.Errorf("carl sees %s, want %s", got.body, sees)
	}
	const groups = `{"groups":[{"group":"helpdesk","members":2},{"group":"phones","members":1},{"group":"sales","members":1}]}`
	if got := r.v1(t, carl, "GET", "/v1/groups", ""); got.body != groups {
		t.Errorf("carl sees %s, want %s", got.body, groups)
	}
	for _, path := range []string{"/v1/groups/a%2Fb%20%26%20c", "/v1/groups/elsewhere", "/v1/users?group=elsewhere", "/v1/events?group=elsewhere"} {
		if got := r.v1(t, carl, "GET", path, ""); got.status != 422 || !strings.Contains(got.body, "unknown group") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	stream := r.watch(t, carl, "GET", "/v1/events?group=helpdesk", "")
	stream.until(t, "ready")
	r.knows(t, "zoe@example.test", xmpp, domain.Away, "")
	r.knows(t, "u7@example.test", xmpp, domain.Away, "")
	r.knows(t, "u1@elsewhere.test", xmpp, domain.Away, "") // an example of its pattern
	if again := r.v1(t, carl, "GET", "/v1/groups/helpdesk", "", "If-None-Match: "+got.header.Get("Etag")); again.status != 304 {
		t.Errorf("after hidden changes: %d %s", again.status, again.body)
	}
	if got := r.v1(t, carl, "GET", "/v1/groups", ""); got.body != groups {
		t.Errorf("after hidden changes carl sees %s, want %s", got.body, groups)
	}
	r.knows(t, "u8@example.test", xmpp, domain.Away, "")
	if event := stream.until(t, "presence"); !strings.Contains(event, `{"user":"u8@example.test","status":"away","message":""`) {
		t.Errorf("carl is told %s", event)
	}
	if got := as[people](t, 200, r.v1(t, carl, "GET", "/v1/users?group=helpdesk", "")); strings.Join(got.names(), " ") != "alice@example.test u8@example.test" {
		t.Errorf("carl is answered with %v", got.names())
	}
}

// A member who is invisible, and would not be known otherwise, is not known to others.
func TestV1GroupsOfInvisible(t *testing.T) {
	r := start(t)
	named(t, r.core, inPhones)
	r.rule(t)
	if got := r.v1(t, service, "PUT", "/v1/users/u7@example.test/manual", `{"status":"busy","ttl":600,"invisible":true}`); got.status != 204 {
		t.Fatalf("PUT: %d %s", got.status, got.body)
	}
	for viewer, want := range map[domain.UserID]string{
		carl: `{"groups":[{"group":"helpdesk","members":0},{"group":"phones","members":0}]}`,
		seer: `{"groups":[{"group":"helpdesk","members":1},{"group":"phones","members":1}]}`,
	} {
		if got := r.v1(t, viewer, "GET", "/v1/groups", ""); got.body != want {
			t.Errorf("%s sees %s, want %s", viewer, got.body, want)
		}
	}
}

// The members of a group count for http.max_watched_per_user, as many as there are when the stream begins, and each once.
func TestMembersWatchedByOneUser(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxWatchedPerUser = 3 })
	named(t, r.core, inHelpdesk, inBoth)
	r.watch(t, mark, "GET", "/v1/events?group=helpdesk&group=sales&user="+alice, "").until(t, "ready")
	if got := r.v1(t, mark, "GET", "/v1/events?group=helpdesk", ""); got.status != 429 || !strings.Contains(got.body, "watches 2 users already; 2 more are too many") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
