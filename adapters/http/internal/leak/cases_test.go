package leak_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// These are ways in which others have leaked what they hide. The random sites go them, too; here each is gone for certain, and it is said what the answer is.

// newCase makes the two worlds of a site with rules. Anna is the viewer that is compared, or a service if asService.
func newCase(t *testing.T, asService bool, rules ...rule) *pair {
	t.Helper()
	now := &clock{}
	now.now.Store(int64(domain.TimestampOf(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))))
	p := &pair{t: t, clock: now, tokens: principals{known: make(map[string]domain.Principal)}, ids: []string{"0"}}
	p.site = newSite(0, 0, rand.New(rand.NewPCG(1, 2)))
	p.viewers = [2]viewer{p.newViewer(0), p.newViewer(2)}
	p.compared = &p.viewers[0]
	if asService {
		p.compared = &p.viewers[1]
	}
	p.rules = append([]rule{{"*", "*@hidden.test", seesNothing}}, rules...)
	for _, user := range p.users {
		p.site.groups[user] = []string{"helpdesk"}
	}
	p.real, p.other = newWorld(t, now, p.tokens, nil), newWorld(t, now, p.tokens, nil)
	t.Cleanup(p.real.stop)
	t.Cleanup(p.other.stop)
	for _, v := range p.viewers {
		p.tokens.known[v.token] = v.principal
	}
	p.real.obey(p.site)
	p.other.obey(p.site)
	return p
}

// user returns the id of somebody at the site.
func (p *pair) user(name string) domain.UserID { return domain.UserID(name + "@" + p.host) }

// set has a user show something on a protocol, in the real world; what there is to be seen of it happens in the other one, too.
func (p *pair) set(name string, protocol domain.Protocol, status domain.Status, message string) {
	p.t.Helper()
	old, _ := p.real.core.Image.Presences(p.user(name)).On(protocol)
	p.write(change{p.user(name), old.Observe(domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{}, p.clock.Now())})
}

// hide makes a user invisible for a while.
func (p *pair) hide(name string, holds time.Duration) {
	p.t.Helper()
	old, _ := p.real.core.Image.Presences(p.user(name)).On(manual)
	next := old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true}, p.clock.Now()).HoldUntil(p.clock.Now().Add(holds))
	next.Invisible = true
	p.write(change{p.user(name), next})
}

func (p *pair) write(c change) {
	p.t.Helper()
	p.step++
	p.happen(c)
	mark := p.host + strings.Repeat(".", p.step)
	p.real.commit(mark)
	p.other.commit(mark)
}

// same asks both worlds, whose answers must be the same, and returns it.
func (p *pair) same(r request) string {
	p.t.Helper()
	real, other := p.real.line.ask(p.compared.token, []request{r})[0], p.other.line.ask(p.compared.token, []request{r})[0]
	if d := differ(r.String(), real, other); d != "" {
		p.t.Error(d)
	}
	return real
}

// has checks what is in an answer, and what is not.
func has(t *testing.T, answer string, text string, is bool) {
	t.Helper()
	if strings.Contains(answer, text) != is {
		t.Errorf("that %q is in it must be %v:\n%s", text, is, answer)
	}
}

// The tag of a list stays the same while none of the users that the viewer sees in it changes.
func TestTagOfAListWithAHiddenUser(t *testing.T) {
	p := newCase(t, false, rule{"*", "cem@s0.example.test", seesNothing}, rule{"*", "dora@s0.example.test", seesStatus}, rule{"*", "*", seesAll})
	p.set("bea", xmpp, domain.Busy, "")
	p.set("dora", xmpp, domain.Busy, "")
	list := request{method: "GET", path: "/v1/users?user=bea@s0.example.test&user=cem@s0.example.test&user=dora@s0.example.test"}
	tag := etag(p.same(list))
	for _, hidden := range []func(){
		func() { p.set("cem", xmpp, domain.Busy, "") },
		func() { p.set("cem", spreed, domain.Away, "") },
		func() { p.set("dora", xmpp, domain.Busy, "in a meeting") },
		func() { p.set("dora", spreed, domain.Away, "weaker than busy") },
	} {
		hidden()
		again := list
		again.header = "If-None-Match: " + tag + "\r\n"
		has(t, p.same(again), "HTTP/1.1 304 Not Modified", true)
	}
	p.set("dora", xmpp, domain.Away, "")
	if now := etag(p.same(list)); now == tag {
		t.Error("the tag is the same although dora's status is another one")
	}
}

// A viewer who asks for changes gets those that it sees: none of a hidden user, and of a user with a visible status only changes of the status.
func TestChangesOfHiddenUsers(t *testing.T) {
	p := newCase(t, false, rule{"*", "cem@s0.example.test", seesNothing}, rule{"*", "dora@s0.example.test", seesStatus}, rule{"*", "*", seesAll})
	p.set("dora", xmpp, domain.Busy, "")
	since := request{method: "GET", path: "/v1/users?since=2&user=bea@s0.example.test&user=cem@s0.example.test&user=dora@s0.example.test"}
	p.set("cem", xmpp, domain.Busy, "")
	p.set("dora", xmpp, domain.Busy, "in a meeting")
	has(t, p.same(since), `"users":[]`, true)
	p.set("dora", xmpp, domain.Away, "in a meeting")
	answer := p.same(since)
	has(t, answer, `{"user":"dora@s0.example.test","status":"away","message":""`, true)
	has(t, answer, "cem", false)
}

// A group is counted as far as the viewer sees it.
func TestTotalOfAGroup(t *testing.T) {
	p := newCase(t, false, rule{"*", "cem@s0.example.test", seesNothing}, rule{"*", "*", seesAll})
	group := request{method: "GET", path: "/v1/groups/helpdesk"}
	before := p.same(group)
	p.set("cem", xmpp, domain.Available, "")
	if after := p.same(group); !strings.Contains(before, "200 OK") || after != before {
		t.Errorf("a hidden member makes of\n%s\nthis:\n%s", before, after)
	}
	p.set("dora", xmpp, domain.Available, "")
	if after := p.same(group); after == before {
		t.Errorf("with dora it is still %s", after)
	}
}

// Whoever resumes with the id that another viewer was told is told no more than it sees.
func TestResumedStreamOfAnotherViewer(t *testing.T) {
	p := newCase(t, false, rule{"service", "*", seesAll}, rule{"*", "cem@s0.example.test", seesNothing}, rule{"*", "*", seesAll})
	p.set("cem", xmpp, domain.Busy, "")
	all, _ := follow(t, p.real.http, p.besides().token, request{method: "GET", path: "/v1/events"})
	p.set("cem", xmpp, domain.Away, "")
	p.set("bea", xmpp, domain.Away, "")
	p.set("cem", xmpp, domain.Busy, "")
	all.until(func(event string) bool {
		return strings.Contains(event, `"status":"busy"`) && strings.Contains(event, "cem")
	})
	_ = all.conn.Close()
	for _, id := range all.ids {
		ask := request{method: "GET", path: "/v1/events?user=bea@s0.example.test&user=cem@s0.example.test", header: "Last-Event-ID: " + id + "\r\n"}
		var told [2]string
		for i, w := range []*world{p.real, p.other} {
			var s *stream
			s, told[i] = follow(t, w.http, p.compared.token, ask)
			_ = s.conn.Close()
		}
		if d := differ(ask.String(), told[0], told[1]); d != "" {
			t.Error(d)
		}
		has(t, told[0], "cem", false)
	}
}

// An update of a protocol that cannot be set is accepted if it repeats what is so. That tells nobody what is so who does not see it.
func TestReadOnlyProtocolOfAHiddenUser(t *testing.T) {
	p := newCase(t, true, rule{"*", "cem@s0.example.test", seesNothing}, rule{"*", "dora@s0.example.test", seesStatus}, rule{"*", "*", seesAll})
	p.set("cem", xmpp, domain.Busy, "in a meeting")
	p.set("dora", xmpp, domain.Busy, "in a meeting")
	p.set("eve", xmpp, domain.Busy, "in a meeting")
	p.hide("eve", time.Hour)
	for _, name := range []string{"cem", "dora", "eve"} {
		for _, shown := range []string{`{"status":"busy","message":"in a meeting"}`, `{"status":"busy"}`, `{"status":"unavailable"}`, `{"status":"away","message":"x"}`} {
			p.same(request{method: "PUT", path: "/v1/users/" + name + "@s0.example.test/xmpp", body: shown})
			p.same(request{method: "PUT", path: "/", body: `{"user_id":"` + name + `@s0.example.test","xmpp":` + shown + `}`, original: true})
		}
	}
}

// What happens to somebody who is invisible changes nothing for others, up to the last moment; and then it is seen, though nobody has written the end yet.
func TestInvisibleUpToTheLastMoment(t *testing.T) {
	p := newCase(t, false, rule{"*", "*", seesAll})
	p.set("cem", xmpp, domain.Busy, "")
	p.clock.now.Add(int64(time.Minute))
	p.hide("cem", time.Hour)
	one := request{method: "GET", path: "/v1/users/cem@s0.example.test"}
	tag := etag(p.same(one))
	one.header = "If-None-Match: " + tag + "\r\n"
	for range 3 {
		p.clock.now.Add(int64(20 * time.Minute))
		p.set("cem", xmpp, domain.Away, p.clock.Now().String())
		p.set("cem", spreed, domain.Away, p.clock.Now().String())
		has(t, p.same(one), "HTTP/1.1 304 Not Modified", true)
	}
	p.clock.now.Add(1) // a nanosecond
	now := p.real.line.ask(p.compared.token, []request{one})[0]
	has(t, now, `"xmpp":{"status":"away"`, true)
	has(t, now, `"invisible"`, false)
}
