package leak_test

import (
	"fmt"
	"strings"

	"github.com/zarafa/presence/domain"
)

// ask asks both worlds in some of all ways, and returns how the answers differ. Before, the other viewer asks the real one the same, who may see more: what the
// daemon keeps for it must not get to others.
func (p *pair) ask() string {
	requests := p.requests()
	p.real.line(p.besides().token).ask(p.besides().token, requests)
	answers := p.real.line(p.compared.token).ask(p.compared.token, requests)
	others := p.other.line(p.compared.token).ask(p.compared.token, requests)
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
func (p *pair) requests() (all []request) {
	user := string(p.someone())
	if p.random.IntN(4) == 0 {
		user = strings.ToUpper(user)
	}
	list := p.list("user=", "&")
	all = []request{
		{method: "GET", path: "/v1/users/" + user},
		{method: "GET", path: "/v1/users?" + list},
		{method: "GET", path: "/", body: p.list(`{"user_id":"`, `"},`) + `"}`, original: true},
	}
	if len(p.tags) > 0 {
		all = append(all, request{method: "GET", path: "/v1/users?" + list, header: "If-None-Match: " + strings.Join(p.tags, ", ") + "\r\n"},
			request{method: "HEAD", path: "/v1/users/" + user, header: "If-None-Match: " + strings.Join(p.tags, ", ") + "\r\n"})
	}
	if p.random.IntN(2) == 0 {
		all = append(all, request{method: "GET", path: "/v1/users?since=" + p.since() + "&" + list},
			request{method: "POST", path: "/v1/users:query", body: `{"users":["` + p.list("", `","`) + `"],"since":` + p.since() + `}`})
	}
	if p.random.IntN(2) == 0 {
		all = append(all, request{method: "GET", path: "/v1/users/" + user + "?explain=1"})
	}
	if p.random.IntN(3) == 0 { // so long that the answer is kept for the next who asks
		long := strings.Repeat(p.list(`{"user_id":"`, `"},`)+`"},`, 5) + `{"user_id":"` + user + `"}`
		r := request{method: "GET", path: "/", body: long, original: true}
		all = append(all, r, r, r)
	}
	if p.compared.principal.Service {
		all = append(all, p.serviceRequests(user)...)
	}
	return all
}

// serviceRequests makes those that only services may send: the export, and updates of a read-only protocol, which is accepted if it repeats what is so.
func (p *pair) serviceRequests(user string) (all []request) {
	if len(p.rules) > 0 { // else the users are exported that make revisions agree
		all = append(all, request{method: "GET", path: "/v1/export"})
	}
	said, _ := p.real.core.Image.Presences(domain.UserID(strings.ToLower(user))).At(p.clock.Now()).On(xmpp)
	for _, status := range []domain.Status{said.Status, domain.Unavailable} {
		shown := fmt.Sprintf(`{"status":"%s","message":%q}`, status, said.Message)
		all = append(all, request{method: "PUT", path: "/v1/users/" + user + "/xmpp", body: shown},
			request{method: "PUT", path: "/", body: `{"user_id":"` + user + `","xmpp":` + shown + `}`, original: true},
			request{method: "POST", path: "/", body: `{"user_id":"` + user + `","xmpp":` + shown + `}`, original: true})
	}
	return all
}

// list makes a list of all users, and one whom nobody knows, in a random order. Each begins with a text, and another one stands between them.
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
	if p.random.IntN(3) > 0 {
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
	return request{method: "GET", path: "/v1/events?" + users, header: header}
}
