package http_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

const (
	bob  = "bob@example.test"
	carl = "carl@example.test"
	seer = "crm@example.test" // a service in auth.see_invisible
)

// rule puts rules into effect: each is a viewer, a user and what the viewer sees.
func (r *running) rule(t tester, lines ...string) {
	t.Helper()
	var rules []domain.VisibilityRule
	for _, line := range lines {
		words := strings.Fields(line)
		rules = append(rules, domain.VisibilityRule{Viewer: words[0], User: words[1], Sees: words[2]})
	}
	seeInvisible, err := domain.ParseUserList([]string{seer})
	if err != nil {
		t.Fatal(err)
	}
	v, err := domain.NewVisibility(rules, seeInvisible)
	if err != nil {
		t.Fatal(err)
	}
	r.core.Sights.Configure(v)
}

// asAlice has alice see all of mark, bob the status, and everybody else nothing.
func (r *running) asAlice(t tester) {
	t.Helper()
	r.rule(t, alice+" "+mark+" all", bob+" "+mark+" status", "* "+mark+" nothing", "* * all")
}

const (
	unknownMark = `{"user":"markd@zarafa.com","status":"unavailable","message":"","activity":null,"by":null,"reason":"unknown","rule":null,"since":null,"idle_since":null,"next":null,"stale":false,"revision":0,"display_name":null,"protocols":{}}`
	busyMark    = `{"user":"markd@zarafa.com","status":"busy","message":"","activity":null,"by":null,"reason":"unknown","rule":null,"since":null,"idle_since":null,"next":null,"stale":false,"revision":%d,"display_name":null,"protocols":{}}`
)

// TestVisibilityOfV1: one user, a list, a query and what has changed since, as each of three viewers sees it, to the byte; and the tags go with that.
func TestVisibilityOfV1(t *testing.T) {
	r := start(t)
	r.asAlice(t)
	r.knows(t, mark, spreed, domain.Busy, "in a meeting") // 1
	r.knows(t, mark, xmpp, domain.Away, "")               // 2
	const one, list = "/v1/users/" + mark, "/v1/users?user=" + mark
	if got := as[person](t, 200, r.v1(t, alice, "GET", one, "")); got.Message != "in a meeting" || got.Revision != 2 || len(got.Protocols) != 2 {
		t.Errorf("alice sees %+v", got)
	}
	if got := as[person](t, 200, r.v1(t, mark, "GET", one, "")); got.Message != "in a meeting" || got.Revision != 2 {
		t.Errorf("mark sees %+v", got)
	}
	status := fmt.Sprintf(busyMark, 1)
	tags := map[domain.UserID]string{}
	for viewer, want := range map[domain.UserID]string{bob: status, carl: unknownMark} {
		got := r.v1(t, viewer, "GET", one, "")
		if tags[viewer] = got.header.Get("ETag"); got.body != want {
			t.Errorf("%s sees\n%s\nwant\n%s", viewer, got.body, want)
		}
		all := `{"revision":2,"users":[` + want + `]}`
		if got := r.v1(t, viewer, "GET", list, ""); got.body != all {
			t.Errorf("%s sees\n%s\nwant\n%s", viewer, got.body, all)
		}
		if got := r.v1(t, viewer, "POST", "/v1/users:query", `{"users":["`+mark+`"]}`); got.body != all {
			t.Errorf("%s asks and sees\n%s\nwant\n%s", viewer, got.body, all)
		}
		if got := r.v1(t, viewer, "GET", list+"&since=1", ""); got.body != `{"revision":2,"users":[]}` {
			t.Errorf("%s: since the first change %s", viewer, got.body)
		}
		if got := r.v1(t, viewer, "GET", one+"?explain=1", ""); viewer == carl &&
			!strings.HasSuffix(got.body, `,"explanation":["The user is unavailable, because no protocol knows the user."]}`) ||
			viewer == bob && !strings.HasSuffix(got.body, `,"explanation":["The user is busy. You see no more of this user than the status."]}`) {
			t.Errorf("%s is explained %s", viewer, got.body)
		}
	}

	listTag := r.v1(t, bob, "GET", list, "").header.Get("ETag")
	r.knows(t, mark, spreed, domain.Busy, "in a second meeting") // 3: bob cannot see that
	for viewer, tag := range tags {
		if got := r.v1(t, viewer, "GET", one, "", "If-None-Match: "+tag); got.status != 304 {
			t.Errorf("%s: a hidden change gives %d %s", viewer, got.status, got.body)
		}
	}
	if got := r.v1(t, bob, "GET", list, "", "If-None-Match: "+listTag); got.status != 304 {
		t.Errorf("a list with a hidden change gives %d %s", got.status, got.body)
	}
	if got := r.v1(t, alice, "GET", list+"&since=2", ""); !strings.Contains(got.body, "a second meeting") {
		t.Errorf("alice is told %s", got.body)
	}
	r.knows(t, mark, spreed, domain.Available, "") // 4
	if got := r.v1(t, bob, "GET", list+"&since=1", ""); !strings.Contains(got.body, `"status":"available"`) || !strings.Contains(got.body, `"revision":4,"display_name"`) {
		t.Errorf("bob is told %s", got.body)
	}
	if got := r.v1(t, carl, "GET", one, "", "If-None-Match: "+tags[carl]); got.status != 304 {
		t.Errorf("carl is told %d %s", got.status, got.body)
	}
}

// TestVisibilityOfTheOriginalAPI: it has no place for a status alone, so who sees less than all gets the entry of an unknown user. An answer
// that was kept for others is not given.
func TestVisibilityOfTheOriginalAPI(t *testing.T) {
	r := start(t)
	r.knows(t, mark, xmpp, domain.Away, "lunch")
	const entry = `{"user_id":"markd@zarafa.com"}`
	const known = `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","xmpp":{"status":"away","message":"lunch"}}]}`
	long := strings.TrimSuffix(strings.Repeat(entry+",", 30), ",")
	for range 3 { // the answer is kept
		if got := r.do(t, "GET", r.body(carl, long)); strings.Count(got.body, "lunch") != 30 {
			t.Fatalf("without rules carl sees %s", got.body)
		}
	}
	r.asAlice(t)
	for viewer, want := range map[domain.UserID]string{alice: known, mark: known, bob: `{"Type":"UserStatus","UserStatus":[` + entry + `]}`, carl: `{"Type":"UserStatus","UserStatus":[` + entry + `]}`} {
		if got := r.do(t, "GET", r.body(viewer, entry)); got.body != want {
			t.Errorf("%s sees %s, want %s", viewer, got.body, want)
		}
		if got := r.do(t, "POST", r.body(viewer, entry)); got.status != 200 || got.body != want {
			t.Errorf("%s posts and sees %d %s, want %s", viewer, got.status, got.body, want)
		}
		shown := 0
		if want == known {
			shown = 30
		}
		for range 3 {
			if got := r.do(t, "GET", r.body(viewer, long)); strings.Count(got.body, "lunch") != shown {
				t.Errorf("%s sees %s", viewer, got.body)
			}
		}
	}
}

// TestReadOnlyUpdatesTellNothing: whether what a source says is repeated or not, who does not see it gets the same answer.
func TestReadOnlyUpdatesTellNothing(t *testing.T) {
	r := start(t)
	r.asAlice(t)
	update := func(viewer domain.UserID, status, message string) (original, v1 answer) {
		return r.do(t, "PUT", r.body(viewer, fmt.Sprintf(`{"user_id":%q,"xmpp":{"status":%q,"message":%q}}`, mark, status, message))),
			r.v1(t, viewer, "PUT", "/v1/users/"+mark+"/xmpp", fmt.Sprintf(`{"status":%q,"message":%q}`, status, message))
	}
	type both struct{ original, v1 answer }
	answers := map[string]both{}
	for _, is := range []string{"nobody knows him", "away", "busy"} {
		if is != "nobody knows him" {
			status, _ := domain.ParseStatus(is)
			r.knows(t, mark, xmpp, status, "")
		}
		if is == "away" {
			if original, v1 := update(alice, "away", ""); original.status != 200 || v1.status != 204 {
				t.Errorf("alice repeats what she sees: %d %s, %d %s", original.status, original.body, v1.status, v1.body)
			}
			if original, v1 := update(alice, "busy", ""); original.status != 422 || v1.status != 422 {
				t.Errorf("alice says something else: %d %s, %d %s", original.status, original.body, v1.status, v1.body)
			}
		}
		for _, viewer := range []domain.UserID{bob, carl} {
			for _, said := range []string{"unavailable", "away", "busy"} {
				original, v1 := update(viewer, said, "")
				question := string(viewer) + " says " + said
				before, asked := answers[question]
				if answers[question] = (both{original, v1}); asked && (before.original.body != original.body || before.v1.body != v1.body ||
					before.original.status != original.status || before.v1.status != v1.status) {
					t.Errorf("%s, and now that he is %s the answer is another one: %d %s, %d %s", question, is, original.status, original.body, v1.status, v1.body)
				}
			}
		}
	}
}

// TestInvisible: others see what they would see if every protocol had reported unavailable, while the user and services in auth.see_invisible see what is
// so; until it ends.
func TestInvisible(t *testing.T) {
	r := start(t)
	r.rule(t)
	r.knows(t, mark, xmpp, domain.Available, "here") // 1
	const one = "/v1/users/" + mark
	self := func() person { return as[person](t, 200, r.v1(t, mark, "GET", one, "")) }
	if got := r.v1(t, mark, "PUT", one+"/manual", `{"status":"busy","message":"secret","invisible":true,"ttl":3600}`); got.status != 204 { // 2
		t.Fatalf("PUT: %d %s", got.status, got.body)
	}
	first := r.v1(t, alice, "GET", one, "")
	shown := as[person](t, 200, first)
	if p := shown.Protocols["xmpp"]; shown.Status != "unavailable" || shown.Message != "" || *shown.By != "xmpp" || shown.Reason != "only" || shown.Revision != 2 ||
		len(shown.Protocols) != 1 || p.Status != "unavailable" || p.Message != "" || p.Expires != nil || !p.Since.Equal(*p.Updated) || shown.Invisible {
		t.Errorf("alice sees %s", first.body)
	}
	for _, viewer := range []domain.UserID{mark, seer} {
		got := r.v1(t, viewer, "GET", one, "")
		if seen := as[person](t, 200, got); seen.Status != "busy" || seen.Message != "secret" || !seen.Invisible || len(seen.Protocols) != 2 || seen.Revision != 2 {
			t.Errorf("%s sees %s", viewer, got.body)
		}
	}
	if got := r.v1(t, service, "GET", one, ""); got.body != first.body {
		t.Errorf("a service that is not in auth.see_invisible sees %s", got.body)
	}
	if got := r.do(t, "GET", r.body(alice, `{"user_id":"markd@zarafa.com"}`)); got.body != `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","xmpp":{"status":"unavailable","message":""}}]}` {
		t.Errorf("by the original API alice sees %s", got.body)
	}

	list := r.v1(t, alice, "GET", "/v1/users?user="+mark, "").header.Get("ETag")
	r.knows(t, mark, xmpp, domain.Busy, "hidden")                                                                               // 3
	r.v1(t, mark, "PUT", one+"/spreed", `{"status":"available"}`)                                                               // 4
	r.v1(t, mark, "PUT", one+"/manual", `{"status":"away","message":"longer","invisible":true,"until":"2100-01-01T00:00:00Z"}`) // 5
	if got := r.v1(t, alice, "GET", one, "", "If-None-Match: "+first.header.Get("ETag")); got.status != 304 {
		t.Errorf("after hidden changes alice sees %d %s", got.status, got.body)
	}
	if got := r.v1(t, alice, "GET", "/v1/users?user="+mark, "", "If-None-Match: "+list); got.status != 304 {
		t.Errorf("after hidden changes alice's list is %d %s", got.status, got.body)
	}
	if got := r.v1(t, alice, "GET", "/v1/users?since=2&user="+mark, ""); got.body != `{"revision":5,"users":[]}` {
		t.Errorf("since then for alice %s", got.body)
	}
	if got := self(); got.Revision != 5 || len(got.Protocols) != 3 || !got.Invisible {
		t.Errorf("mark sees %+v", got)
	}
	r.v1(t, mark, "DELETE", one+"/manual", "") // 6
	got := as[person](t, 200, r.v1(t, alice, "GET", one, ""))
	if got.Status != "busy" || got.Message != "hidden" || len(got.Protocols) != 2 || got.Revision != 6 || self().Invisible {
		t.Errorf("visible again, alice sees %+v", got)
	}
}

// TestInvisibleEnds: at the moment that was asked for, although no timer has fired yet.
func TestInvisibleEnds(t *testing.T) {
	r := start(t)
	r.rule(t)
	r.knows(t, mark, xmpp, domain.Available, "here")
	const one = "/v1/users/" + mark
	if got := r.v1(t, mark, "PUT", one+"/manual", `{"status":"busy","invisible":true,"ttl":1}`); got.status != 204 {
		t.Fatalf("PUT: %d %s", got.status, got.body)
	}
	before := r.v1(t, alice, "GET", one, "")
	kept, _ := r.core.Kept(mark)
	for end := kept.Presences[0].Expires; r.core.Clock.Now() <= end; time.Sleep(10 * time.Millisecond) {
		if got := r.v1(t, alice, "GET", one, ""); got.body != before.body && r.core.Clock.Now() <= end {
			t.Fatalf("before its end alice sees %s", got.body)
		}
	}
	if got := as[person](t, 200, r.v1(t, alice, "GET", one, "")); got.Status != "available" || got.Message != "here" {
		t.Errorf("after its end alice sees %+v", got)
	}
}

// TestExportOfAServiceThatSeesLess: who is seen less than all is left out, and who is invisible is exported as the service sees it.
func TestExportOfAServiceThatSeesLess(t *testing.T) {
	r := start(t)
	for _, user := range []domain.UserID{alice, bob, carl, mark} {
		r.knows(t, user, xmpp, domain.Busy, "in "+string(user))
	}
	r.rule(t, "service "+alice+" status", "service "+bob+" nothing", "* * all")
	r.v1(t, mark, "PUT", "/v1/users/"+mark+"/manual", `{"status":"busy","invisible":true,"ttl":60}`)
	for viewer, want := range map[domain.UserID][]string{service: {"carl busy", "mark unavailable"}, seer: {"carl busy", "mark busy", "mark busy"}} {
		got := r.v1(t, viewer, "GET", "/v1/export", "")
		lines := strings.Split(strings.TrimSpace(got.body), "\n")
		if len(lines) != len(want) || strings.Contains(got.body, `"invisible":true`) != (viewer == seer) {
			t.Fatalf("%s exports %s", viewer, got.body)
		}
		for i, line := range lines {
			user, status, _ := strings.Cut(want[i], " ")
			if !strings.Contains(line, `{"user":"`+user) || !strings.Contains(line, `"status":"`+status+`"`) {
				t.Errorf("%s: line %d is %s, want %s", viewer, i, line, want[i])
			}
		}
	}
}

// TestInvisibleNeedsAnEnd: and manual.
func TestInvisibleNeedsAnEnd(t *testing.T) {
	r := start(t)
	for _, test := range []struct{ path, body, pointer, detail string }{
		{"manual", `{"status":"busy","invisible":true}`, "#/invisible", "cannot make invisible without an end"},
		{"spreed", `{"status":"busy","invisible":true,"ttl":60}`, "#/invisible", "cannot make invisible by spreed: only what is set by hand can do that"},
		{"xmpp", `{"status":"busy","invisible":true,"ttl":60}`, "#/invisible", "cannot make invisible by xmpp: only what is set by hand can do that"},
	} {
		got := r.v1(t, mark, "PUT", "/v1/users/"+mark+"/"+test.path, test.body)
		if got.status != 422 || !strings.Contains(got.body, test.detail) || !strings.Contains(got.body, `"pointer":"`+test.pointer+`"`) {
			t.Errorf("%s %s: %d %s", test.path, test.body, got.status, got.body)
		}
	}
	if got := r.v1(t, mark, "PUT", "/v1/users/"+mark+"/manual", `{"status":"busy","invisible":false}`); got.status != 204 {
		t.Errorf("visible without an end: %d %s", got.status, got.body)
	}
	if state := r.state(); strings.Contains(state, "Invisible:true") {
		t.Errorf("something was written: %s", state)
	}
}

// TestWhichRuleDecides: a service is told which rule decides what a viewer sees, to the byte; beside it the document is what the service itself sees.
func TestWhichRuleDecides(t *testing.T) {
	r := start(t)
	r.knows(t, mark, xmpp, domain.Busy, "in a meeting") // 1
	const one = "/v1/users/" + mark
	unruled := []string{}
	ruled := []string{"service * all", alice + " " + mark + " all", bob + " " + mark + " status", "* " + mark + " nothing"}
	const invisible = `{"status":"busy","invisible":true,"ttl":3600}`
	for _, test := range []struct {
		rules         []string
		asker, viewer domain.UserID
		user, want    string
		unseen        string // what is said besides, but only to who sees who is invisible
	}{
		{ruled, service, alice, mark, `{"viewer":"alice@example.test","sees":"all","reason":"rule","rule":2`, `,"invisible":true`},
		{ruled, service, bob, mark, `{"viewer":"bob@example.test","sees":"status","reason":"rule","rule":3`, `,"invisible":true`},
		{ruled, service, carl, mark, `{"viewer":"carl@example.test","sees":"nothing","reason":"rule","rule":4`, ``},
		{ruled, service, carl, alice, `{"viewer":"carl@example.test","sees":"nothing","reason":"no rule","rule":null`, ``},
		{ruled, service, mark, mark, `{"viewer":"markd@zarafa.com","sees":"all","reason":"self","rule":null`, ``},
		{ruled, service, "Bob@Example.test", mark, `{"viewer":"bob@example.test","sees":"status","reason":"rule","rule":3`, `,"invisible":true`},
		{ruled, service, seer, mark, `{"viewer":"crm@example.test","sees":"all","reason":"rule","rule":1`, ``},
		{unruled, service, carl, mark, `{"viewer":"carl@example.test","sees":"all","reason":null,"rule":null`, `,"invisible":true`},
		{unruled, service, mark, mark, `{"viewer":"markd@zarafa.com","sees":"all","reason":null,"rule":null`, ``},
		{[]string{"* * nothing"}, service, carl, "nobody@example.test", `{"viewer":"carl@example.test","sees":"nothing","reason":"rule","rule":1`, ``},
	} {
		r.rule(t, test.rules...)
		ask := func(asker domain.UserID, unseen string) {
			t.Helper()
			if asker == test.viewer {
				return
			}
			plain := strings.TrimSuffix(r.v1(t, asker, "GET", "/v1/users/"+test.user+"?explain=1", "").body, "}")
			want := plain + `,"visibility":` + test.want + unseen + "}}"
			if got := r.v1(t, asker, "GET", "/v1/users/"+test.user+"?explain=1&viewer="+string(test.viewer), ""); got.body != want {
				t.Errorf("%s asks about %s and %s, and is answered\n%s\nwant\n%s", asker, test.viewer, test.user, got.body, want)
			}
		}
		ask(service, "")
		ask(seer, "")
		if got := r.v1(t, mark, "PUT", one+"/manual", invisible); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
		ask(service, "")
		ask(seer, test.unseen)
		if got := r.v1(t, mark, "DELETE", one+"/manual", ""); got.status != 204 {
			t.Fatalf("DELETE: %d %s", got.status, got.body)
		}
	}
}

// TestViewersAreNotToldRules: neither who is no service, nor a service about itself; and explain=1 alone says nothing of rules to anybody.
func TestViewersAreNotToldRules(t *testing.T) {
	r := start(t)
	r.asAlice(t)
	const one = "/v1/users/" + mark + "?explain=1"
	for _, asker := range []domain.UserID{alice, bob, carl, mark} {
		for _, viewer := range []domain.UserID{bob, mark, service} {
			got := r.v1(t, asker, "GET", one+"&viewer="+string(viewer), "")
			if want := "not allowed: " + string(asker) + " is no service, and only services may ask why somebody sees a user"; got.status != 403 || !strings.Contains(got.body, want) {
				t.Errorf("%s asks about %s: %d %s", asker, viewer, got.status, got.body)
			}
		}
	}
	for _, own := range []string{string(service), strings.ToUpper(string(service)), strings.Replace(string(service), "@", "%40", 1)} {
		got := r.v1(t, service, "GET", one+"&viewer="+own, "")
		if want := "not allowed: " + string(service) + " may not ask which rules are about itself: another service can"; got.status != 403 || !strings.Contains(got.body, want) {
			t.Errorf("a service asks about itself as %s: %d %s", own, got.status, got.body)
		}
	}
	for _, asker := range []domain.UserID{alice, bob, carl, mark, service, seer} {
		if got := r.v1(t, asker, "GET", one, ""); got.status != 200 || strings.Contains(got.body, `"visibility"`) {
			t.Errorf("%s is told %d %s", asker, got.status, got.body)
		}
	}
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"viewer=" + bob:                               {400, "the URL takes no query but explain=1, and with it viewer=ID"},
		"viewer=" + bob + "&explain=1":                {400, "the URL takes no query but explain=1, and with it viewer=ID"},
		"explain=1&user=" + bob:                       {400, "the URL takes no query but explain=1, and with it viewer=ID"},
		"explain=1&viewer=" + bob + "&viewer=" + carl: {400, "the URL takes no query but explain=1, and with it viewer=ID"},
		"explain=1&viewer=":                           {422, `"parameter":"viewer"`},
		"explain=1&viewer=bob":                        {422, `"parameter":"viewer"`},
		"explain=1&viewer=key:pbx":                    {422, `"parameter":"viewer"`},
		"explain=1&viewer=%zz":                        {400, `"parameter":"viewer"`},
	} {
		if got := r.v1(t, service, "GET", "/v1/users/"+mark+"?"+query, ""); got.status != want.status || !strings.Contains(got.body, want.text) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}
