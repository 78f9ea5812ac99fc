package leak_test

import (
	"fmt"
	"strings"

	"github.com/zarafa/presence/domain"
)

// ask asks both worlds in some of all ways, and returns how the answers differ. Often the other viewer asks the real one the same before, who may see more: what
// the daemon keeps for it must not get to others.
func (p *pair) ask() string {
	requests := p.requests()
	if p.random.IntN(3) == 0 {
		p.real.line.ask(p.besides().token, requests)
	}
	answers := p.real.line.ask(p.compared.token, requests)
	others := p.other.line.ask(p.compared.token, requests)
	for i := range requests {
		if d := differ(requests[i].String(), answers[i], others[i]); d != "" {
			return d
		}
		if tag := etag(answers[i]); tag != "" {
			p.tags = append(p.tags, tag)
		}
	}
	return p.resume()
}

// requests makes some of all requests that tell something.
func (p *pair) requests() (some []request) {
	user := string(p.someone())
	if p.random.IntN(4) == 0 {
		user = strings.ToUpper(user)
	}
	const ways = 2
	kinds := []func(user string) []request{p.oneUser, p.explained, p.listed, p.listed, p.changed, p.original, p.originalLong, p.groups}
	if p.compared.principal.Service {
		kinds = append(kinds, p.export, p.pages, p.readOnly, p.readOnly, p.decided)
	}
	for _, i := range p.random.Perm(len(kinds))[:ways] {
		some = append(some, kinds[i](user)...)
	}
	return some
}

func (p *pair) oneUser(user string) []request {
	return []request{{method: "GET", path: "/v1/users/" + user}, {method: "HEAD", path: "/v1/users/" + user, header: p.ifNoneMatch()}}
}

func (p *pair) explained(user string) []request {
	return []request{{method: "GET", path: "/v1/users/" + user + "?explain=1"}}
}

// decided asks which rules decide what others see.
func (p *pair) decided(user string) (all []request) {
	for _, viewer := range []domain.UserID{p.someone(), p.besides().own, p.compared.own} {
		all = append(all, request{method: "GET", path: "/v1/users/" + user + "?explain=1&viewer=" + string(viewer)})
	}
	return all
}

func (p *pair) listed(string) []request {
	return []request{{method: "GET", path: "/v1/users?" + p.list("user=", "&"), header: p.ifNoneMatch()}}
}

// changed asks who has changed since somebody was told something.
func (p *pair) changed(string) []request {
	return []request{
		{method: "GET", path: "/v1/users?since=" + p.since() + "&" + p.list("user=", "&")},
		{method: "POST", path: "/v1/users:query", body: `{"users":["` + p.list("", `","`) + `"],"since":` + p.since() + `}`},
	}
}

// groups makes two requests about groups: also about one that has members by a pattern, and one that does not exist.
func (p *pair) groups(string) (all []request) {
	names := append([]string{everybodyElse, "nobody"}, groupNames...)
	name := names[p.random.IntN(len(names))]
	all = []request{
		{method: "GET", path: "/v1/groups"}, {method: "GET", path: "/v1/groups/" + name}, {method: "GET", path: "/v1/users?group=" + name},
		{method: "GET", path: "/v1/groups/" + everybodyElse, header: p.ifNoneMatch()},
	}
	if seen := p.seenGroups(p.compared); len(seen) > 0 && p.random.IntN(2) == 0 {
		all = append(all, request{method: "GET", path: "/v1/users?since=" + p.since() + "&group=" + strings.Join(seen, "&group=")},
			request{method: "POST", path: "/v1/users:query", body: `{"users":["` + p.list("", `","`) + `"],"groups":["` + strings.Join(seen, `","`) + `"],"since":` + p.since() + `}`})
	}
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:2]
}

// pages makes requests for everybody, page by page.
func (p *pair) pages(user string) []request {
	if len(p.rules) == 0 { // then the users are told that make revisions agree
		return nil
	}
	return []request{{method: "GET", path: "/v1/users?limit=3"}, {method: "GET", path: "/v1/users?limit=2&after=" + user}}
}

func (p *pair) original(string) []request {
	return []request{{method: "GET", path: "/", body: p.list(`{"user_id":"`, `"},`) + `"}`, original: true}}
}

// originalLong asks for a list that is so long that the answer is kept for the next who asks.
func (p *pair) originalLong(user string) []request {
	long := strings.Repeat(p.list(`{"user_id":"`, `"},`)+`"},`, 3) + `{"user_id":"` + user + `"}`
	r := request{method: "GET", path: "/", body: long, original: true}
	return []request{r, r, r}
}

func (p *pair) export(string) []request {
	if len(p.rules) == 0 { // then the users are exported that make revisions agree
		return nil
	}
	return []request{{method: "GET", path: "/v1/export"}}
}

// readOnly updates a read-only protocol, which is accepted if it repeats what is so.
func (p *pair) readOnly(user string) []request {
	said, _ := p.real.core.Image.Presences(domain.UserID(strings.ToLower(user))).At(p.clock.Now()).On(xmpp)
	if p.random.IntN(2) == 0 {
		said.Status = domain.Unavailable
	}
	shown := fmt.Sprintf(`{"status":"%s","message":%q}`, said.Status, said.Message)
	return []request{
		{method: "PUT", path: "/v1/users/" + user + "/xmpp", body: shown},
		{method: "POST", path: "/", body: `{"user_id":"` + user + `","xmpp":` + shown + `}`, original: true},
	}
}

// ifNoneMatch has the tags that the viewer has got in the real world, if any.
func (p *pair) ifNoneMatch() string {
	if len(p.tags) == 0 || p.random.IntN(3) == 0 {
		return ""
	}
	return "If-None-Match: " + strings.Join(p.tags, ", ") + "\r\n"
}

// list makes a list of all users, and an unknown one, in a random order. Each begins with a text, and another one stands between them.
func (p *pair) list(begin, between string) string {
	var b strings.Builder
	users := append([]domain.UserID{domain.UserID("nobody@" + p.host), p.compared.own}, p.users...)
	if p.compared.principal.Key == nil && p.compared.principal.Service {
		users = users[1:]
	}
	users = users[:len(users):len(users)]
	p.random.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	for i, user := range users {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(begin)
		b.WriteString(string(user))
	}
	return b.String()
}

// since returns a revision that somebody has been told.
func (p *pair) since() string { return p.ids[p.random.IntN(len(p.ids))] }

// resume begins a stream where somebody has left off, perhaps another viewer.
func (p *pair) resume() string {
	if p.random.IntN(5) > 0 {
		return ""
	}
	ask := p.eventsRequest("Last-Event-ID: " + p.since() + "\r\n")
	real, told := follow(p.t, p.real.http, p.compared.token, ask)
	_ = real.conn.Close()
	other, otherwise := follow(p.t, p.other.http, p.compared.token, ask)
	_ = other.conn.Close()
	return differ(ask.String(), told, otherwise)
}

// eventsRequest asks for the compared viewer's stream.
func (p *pair) eventsRequest(header string) request { return p.eventsOf(p.compared, header) }

// eventsOf asks for a viewer's stream: of everybody, if it may, or of a list.
func (p *pair) eventsOf(v *viewer, header string) request {
	if v.principal.Service && len(p.rules) > 0 && p.random.IntN(2) == 0 {
		return request{method: "GET", path: "/v1/events", header: header}
	}
	users := "user=" + string(v.own)
	for _, user := range p.users {
		if user != v.own {
			users += "&user=" + string(user)
		}
	}
	if seen := p.seenGroups(v); len(seen) > 0 && p.random.IntN(2) == 0 { // instead of most of the users, or besides
		if p.random.IntN(2) == 0 {
			users = "user=" + string(v.own)
		}
		users += "&group=" + strings.Join(seen, "&group=")
	}
	return request{method: "GET", path: "/v1/events?" + users, header: header}
}
