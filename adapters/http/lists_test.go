package http_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// manualClock is a clock that a test sets.
type manualClock struct{ now domain.Timestamp }

func (c *manualClock) Now() domain.Timestamp { return c.now }

// pair is two servers over the same use case: one that knows lists, and one that is made to forget them before each request.
type pair struct {
	*running
	forgetful *http.Server
	clock     *manualClock
}

func startPair(t tester) *pair {
	t.Helper()
	p := &pair{clock: &manualClock{domain.TimestampOf(time.Now())}}
	store := memory.New()
	presence, err := app.NewPresence(store, p.clock,
		[]domain.ClientProtocol{{Protocol: spreed, Expiry: domain.ExpiryPolicy{After: 2 * time.Minute}}}, []domain.Protocol{xmpp})
	if err != nil {
		t.Fatal(err)
	}
	p.running = &running{tokens: newTokens(t), presence: presence, store: store, log: new(logged)}
	p.Server = startServer(t, localConfig(), presence, nil, p.tokens, p.log)
	p.forgetful = startServer(t, localConfig(), presence, nil, p.tokens, p.log)
	return p
}

// get asks both servers and checks that they answer the same.
func (p *pair) get(t tester, body string) answer {
	t.Helper()
	p.forgetful.ForgetLists()
	want := do(t, p.forgetful, "GET", "/", body)
	got := p.do(t, "GET", body)
	got.header.Del("Date")
	want.header.Del("Date")
	if got.status != want.status || got.body != want.body || fmt.Sprint(got.header) != fmt.Sprint(want.header) {
		t.Fatalf("the answer is\n%d %v %s\nwithout known lists\n%d %v %s", got.status, got.header, got.body, want.status, want.header, want.body)
	}
	return got
}

// entries renders the entries of some users who are long enough a list to become known.
func entries(more ...string) string {
	all := slices.Clone(more)
	for i := range 20 {
		all = append(all, entry(i))
	}
	return strings.Join(all, ",")
}

func TestRepeatedListIsKnown(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries())
	for i, want := range []int{0, 1, 1, 1} {
		p.get(t, body)
		if lists, _, _ := p.KnownLists(); lists != want {
			t.Errorf("after request %d %d lists are known, want %d", i+1, lists, want)
		}
	}
	p.get(t, p.body(alice, entries())) // another client, the same list
	p.get(t, p.body(alice, entry(1)))
	p.get(t, p.body(alice, entry(1)))
	if lists, size, _ := p.KnownLists(); lists != 1 || size == 0 {
		t.Errorf("%d lists of %d bytes are known, want one: short ones are not worth while", lists, size)
	}
}

// TestKnownListShowsWhatIsTrue: own writes, others', and an expiry, to the moment.
func TestKnownListShowsWhatIsTrue(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries(`{"user_id":"MarkD@Zarafa.com"}`))
	says := func(want string) {
		t.Helper()
		if got := p.get(t, body); !strings.HasPrefix(got.body, `{"Type":"UserStatus","UserStatus":[{"user_id":"MarkD@Zarafa.com"`+want+`}`) {
			t.Errorf("%.200s, want %s", got.body, want)
		}
	}
	for range 3 {
		says("")
	}
	put := func(status string) {
		t.Helper()
		if got := p.do(t, "PUT", p.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"`+status+`","message":"\u00fc"}}`)); got.status != 200 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	put("busy")
	says(`,"spreed":{"status":"busy","message":"ü"}`)
	put("away")
	p.clock.now = p.clock.now.Add(time.Second)
	put("away") // renewed
	p.knows(t, mark, xmpp, domain.Available, "")
	p.clock.now = p.clock.now.Add(2 * time.Minute)
	says(`,"spreed":{"status":"away","message":"ü"},"xmpp":{"status":"available","message":""}`)
	p.clock.now++
	says(`,"spreed":{"status":"unavailable","message":""},"xmpp":{"status":"available","message":""}`)
	if lists, _, _ := p.KnownLists(); lists != 1 {
		t.Errorf("%d lists are known, want 1", lists)
	}
}

func TestKnownListNeedsAToken(t *testing.T) {
	p := startPair(t)
	for range 3 {
		p.get(t, p.body(mark, entries()))
	}
	for _, token := range []string{"", "x", strings.Replace(p.tokens.Issue(mark), "markd", "other", 1)} {
		for range 3 {
			if got := p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":[`+entries()+`]}`); got.status != 401 {
				t.Errorf("with the token %q: status %d", token, got.status)
			}
			p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":[`+entries()+`,{}]}`)
		}
	}
	if lists, _, noted := p.KnownLists(); lists != 1 || noted != 0 {
		t.Errorf("%d lists are known and %d noted, want one and none: nobody else was authorised", lists, noted)
	}
}

// TestAnswerThatGrows: a list whose answer has become too large for one piece is answered and forgotten.
func TestAnswerThatGrows(t *testing.T) {
	p := startPair(t)
	var users []string
	for i := range 100 {
		users = append(users, entry(i))
	}
	body := p.body(mark, strings.Join(users, ","))
	for range 3 {
		p.get(t, body)
	}
	for i := range 100 {
		p.knows(t, domain.UserID(user(i)), xmpp, domain.Busy, strings.Repeat("x", domain.MaxMessage))
		if i%20 == 0 {
			p.get(t, body)
		}
	}
	for range 4 {
		p.get(t, body)
	}
	if lists, size, _ := p.KnownLists(); lists != 0 || size != 0 {
		t.Errorf("%d lists of %d bytes are known, want none", lists, size)
	}
}

// TestKnownListsAreBounded: whatever clients ask for, what is kept stays below the limit, and what is asked for often stays.
func TestKnownListsAreBounded(t *testing.T) {
	p := startPair(t)
	long := make([]string, 2000)
	for i := range long {
		long[i] = entry(i)
	}
	often := p.body(mark, entries())
	most := 0
	for i := range 60 {
		long[0] = entry(10_000 + i)
		body := p.body(mark, strings.Join(long, ","))
		for range 2 {
			p.do(t, "GET", body)
			p.do(t, "GET", often)
		}
		lists, size, _ := p.KnownLists()
		if size > http.MaxLists {
			t.Fatalf("%d bytes are kept for %d lists, at most %d are allowed", size, lists, http.MaxLists)
		}
		most = max(most, lists)
	}
	if most > 50 || most < 5 {
		t.Errorf("up to %d lists were known, so the limit was not reached", most)
	}
	if !p.KnowsList(often) {
		t.Error("the list that is asked for all the time was forgotten")
	}
}

func TestKnownListUnderLoad(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries())
	for range 2 {
		p.do(t, "GET", body)
	}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for round := range 40 {
				message := fmt.Sprintf("round %d", round)
				p.knows(t, domain.UserID(user(i)), xmpp, domain.Busy, message)
				want := fmt.Sprintf(`{"user_id":%q,"xmpp":{"status":"busy","message":%q}}`, user(i), message)
				if got := p.do(t, "GET", body); !strings.Contains(got.body, want) {
					t.Errorf("after %s was written: %s", want, got.body)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestKnownListsProperties: whatever happens between, both servers answer the same.
func TestKnownListsProperties(t *testing.T) {
	p := startPair(t)
	bodies := []string{p.body(mark, entries()), p.body(alice, entries(`{"user_id":"USER000003@example.test"}`)), p.body(mark, entries(entry(3), entry(3)))}
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) { p.get(quiet{t}, rapid.SampledFrom(bodies).Draw(t, "body")) },
			"write": func(t *rapid.T) {
				id, protocol := domain.UserID(user(rapid.IntRange(0, 5).Draw(t, "user"))), rapid.SampledFrom([]domain.Protocol{spreed, xmpp}).Draw(t, "protocol")
				old, known := p.store.Presences(id).On(protocol)
				next := old.Observe(rapid.SampledFrom(domain.Statuses()).Draw(t, "status"), rapid.SampledFrom([]string{"", "\"", "lunch"}).Draw(t, "message"),
					domain.ExpiryPolicy{After: time.Duration(rapid.IntRange(0, 3).Draw(t, "expiry")) * time.Second}, p.clock.now)
				if known && rapid.Bool().Draw(t, "remove") {
					next = old.Remove(p.clock.now)
				}
				if err := p.store.Apply(t.Context(), []ports.Write{{User: id, Old: old, New: next}}); err != nil {
					t.Fatal(err)
				}
			},
			"time": func(t *rapid.T) {
				p.clock.now = p.clock.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
			},
		})
	})
}

// quiet is a rapid.T as a tester: what is cleaned up belongs to the whole test.
type quiet struct{ *rapid.T }

// FuzzRepeatedList: whatever a list's text is, the same request is answered the same for the first, second and third time.
func FuzzRepeatedList(f *testing.F) {
	p := startPair(f)
	for _, seed := range []string{
		`]}`, `,{"user_id":"a@b"}]}`, `,{"user_id":"a\u0040b","xmpp":{"status":"x"}}]} `, `],"Type":"UserStatus"}`, `],"other":[1]}`, `,{}]}`, `]}x`, `]`,
		",{\"user_id\":\"\xff@b\"}]}", `,{"user_id":"no"}]}`,
	} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, rest string, usual bool) {
		head := `{"Type":"UserStatus","AuthenticationToken":"` + p.tokens.Issue(mark) + `","UserStatus":[`
		if !usual {
			head = ` { "AuthenticationToken" : "` + p.tokens.Issue(mark) + `" , "Type" : "UserStatus" , "UserStatus" : [`
		}
		for range 3 {
			p.get(t, head+entries()+rest)
		}
	})
}

// TestUnusualHeads: documents that begin otherwise are answered as ever, and known lists do not make anything valid.
func TestUnusualHeads(t *testing.T) {
	p := startPair(t)
	token, list := p.tokens.Issue(mark), `[`+entries()+`]}`
	for range 3 {
		p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":`+list)
	}
	for _, test := range []struct {
		head string
		want int
	}{
		{`{"AuthenticationToken":"` + token + `","UserStatus":`, 400},
		{`{"Type":"UserStatus","UserStatus":`, 401},
		{`{"UserStatus":`, 400},
		{`{"AuthenticationToken":"` + token + `","Type":"Other","UserStatus":`, 400},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","Type":"UserStatus","UserStatus":`, 400},
		{`{"AuthenticationToken":"` + token + `","AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, 400},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":{}`, 400},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","x":`, 400},
		{`{"AuthenticationToken":"` + token + `" "Type":"UserStatus","UserStatus":`, 400},
		{`["AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, 400},
		{`{"x":1,"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, 200},
		{`{"AuthenticationToken":"` + token + `","Type":"User\u0053tatus","UserStatus":`, 200},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","ü":1,"UserStatus":`, 200},
		{`{"AuthenticationToken":"` + token + "\",\"Type\":\"UserStatus\",\"\xff\":1,\"UserStatus\":", 400},
	} {
		if got := p.get(t, test.head+list); got.status != test.want {
			t.Errorf("%s...: status %d, want %d", test.head, got.status, test.want)
		}
	}
}

// TestKnownAnswerIsNotChanged: the bytes are shared by all clients that they are sent to.
func TestKnownAnswerIsNotChanged(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries())
	for range 2 {
		p.get(t, body)
	}
	before := p.KnownAnswer(body)
	kept := bytes.Clone(before)
	for range 20 {
		p.get(t, body)
		p.do(t, "GET", "bad")
		p.do(t, "PUT", p.body(mark, ""))
	}
	if after := p.KnownAnswer(body); len(kept) == 0 || !bytes.Equal(before, kept) || &after[0] != &before[0] {
		t.Error("the answer's memory was changed, or replaced although nothing happened")
	}
}
