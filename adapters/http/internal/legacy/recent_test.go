package legacy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/legacy"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/setting"
)

var (
	spreed = coretest.Spreed
	xmpp   = coretest.XMPP
)

const (
	mark  = "markd@zarafa.com"
	alice = "alice@example.test"
)

// tester is what is needed of *testing.T, *testing.F and *rapid.T.
type tester interface {
	Helper()
	Cleanup(func())
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// manualClock is a clock that a test sets.
type manualClock struct{ now domain.Timestamp }

func (c *manualClock) Now() domain.Timestamp { return c.now }

// pair is the original API twice over the same use case: one keeps recent answers, the other does not.
type pair struct {
	router, forgetful *legacy.API
	tokens            *auth.Tokens
	core              *coretest.Core
	clock             *manualClock
}

func startPair(t tester) *pair {
	t.Helper()
	cfg := auth.DefaultConfig()
	cfg.Secret = setting.NewSecret("correct horse battery staple")
	tokens, err := auth.New(cfg, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{clock: &manualClock{domain.TimestampOf(time.Now())}, tokens: tokens}
	p.core = coretest.StartOver(t, memory.NewJournal(), p.clock)
	p.router = legacy.New(context.Background(), body.NewReader(1<<20), p.core.Presence, p.core.Feed, tokens, p.clock)
	p.router.Configure(1 << 30)
	p.forgetful = p.router.Forgetful()
	return p
}

func (p *pair) knows(t tester, user domain.UserID, protocol domain.Protocol, status domain.Status, message string) {
	t.Helper()
	p.core.Change(t, user, protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{}, now)
	})
}

// body renders a request's document with a valid token for the user.
func (p *pair) body(user domain.UserID, entries string) string {
	return fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, p.tokens.Issue(user), entries)
}

// answer is what a handler did: its error's kind and places, or the response.
type answer struct {
	kind    error
	refusal string
	header  string
	body    string
}

var router = fiber.New(fiber.Config{DisableStartupMessage: true, DisableDefaultContentType: true})

// call has a handler serve a request.
func call(t tester, handle fiber.Handler, body string) (got answer) {
	t.Helper()
	var request fasthttp.Request
	request.SetBodyString(body)
	var ctx fasthttp.RequestCtx
	ctx.Init(&request, nil, nil)
	c := router.AcquireCtx(&ctx)
	defer router.ReleaseCtx(c)
	if err := handle(c); err != nil {
		got.refusal = err.Error()
		var refused *problem.Error
		for _, kind := range []error{domain.ErrUnauthenticated, problem.ErrMalformed, problem.ErrTooMany, domain.ErrInvalidUser} {
			if errors.Is(err, kind) {
				got.kind = kind
			}
		}
		if errors.As(err, &refused) {
			got.refusal += fmt.Sprint(refused.Entries)
		}
		return got
	}
	got.body, got.header = string(ctx.Response.Body()), string(ctx.Response.Header.ContentType())
	return got
}

func (p *pair) do(t tester, method, body string) answer {
	t.Helper()
	handle := p.router.Get
	if method == "PUT" {
		handle = p.router.Put
	}
	return call(t, handle, body)
}

func user(i int) string { return fmt.Sprintf("user%06d@example.test", i) }

func entry(i int) string { return fmt.Sprintf(`{"user_id":%q}`, user(i)) }

// get asks both and checks that they answer the same. It asks three times, the third time for an answer that is kept.
func (p *pair) get(t tester, body string) (got answer) {
	t.Helper()
	want := call(t, p.forgetful.Get, body)
	for range 3 {
		if got = p.do(t, "GET", body); got != want {
			t.Fatalf("the answer is\n%+v\nwithout recent answers\n%+v", got, want)
		}
	}
	return got
}

// entries renders the entries of some users who are a list that is long enough to keep its answer.
func entries(more ...string) string {
	all := slices.Clone(more)
	for i := range 20 {
		all = append(all, entry(i))
	}
	return strings.Join(all, ",")
}

func TestAnswerToARepeatedListIsKept(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries())
	for i, want := range []int{0, 1, 1, 1} {
		p.do(t, "GET", body)
		if count, _, _ := p.router.Recent(); count != want {
			t.Errorf("after request %d %d answers are kept, want %d", i+1, count, want)
		}
	}
	p.get(t, p.body(alice, entries())) // another client, the same list
	p.get(t, p.body(alice, entry(1)))
	p.get(t, p.body(alice, entry(1)))
	if count, size, _ := p.router.Recent(); count != 1 || size == 0 {
		t.Errorf("%d answers of %d bytes are kept, want one: short lists are not worth it", count, size)
	}
}

// TestRecentAnswersShowWhatIsTrue: own writes, others', and an expiry, to the moment.
func TestRecentAnswersShowWhatIsTrue(t *testing.T) {
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
		if got := p.do(t, "PUT", p.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"`+status+`","message":"\u00fc"}}`)); got.refusal != "" {
			t.Fatalf("PUT: %s", got.refusal)
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
	p.clock.now--
	says(`,"spreed":{"status":"away","message":"ü"},"xmpp":{"status":"available","message":""}`)
	for _, holds := range []time.Duration{10 * time.Second, 5 * time.Second} { // renewed for a shorter time
		p.core.Change(t, mark, spreed, func(old domain.Presence, now domain.Timestamp) domain.Presence {
			return old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{After: holds}, now)
		})
		says(`,"spreed":{"status":"busy","message":""},"xmpp":{"status":"available","message":""}`)
	}
	p.clock.now = p.clock.now.Add(5*time.Second + 1)
	says(`,"spreed":{"status":"unavailable","message":""},"xmpp":{"status":"available","message":""}`)
	if count, _, _ := p.router.Recent(); count != 1 {
		t.Errorf("%d answers are kept, want 1", count)
	}
}

func TestRecentAnswersNeedAToken(t *testing.T) {
	p := startPair(t)
	for range 3 {
		p.get(t, p.body(mark, entries()))
	}
	for _, token := range []string{"", "x", strings.Replace(p.tokens.Issue(mark), "markd", "other", 1)} {
		for range 3 {
			if got := p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":[`+entries()+`]}`); !errors.Is(got.kind, domain.ErrUnauthenticated) {
				t.Errorf("with the token %q: %+v", token, got)
			}
			p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":[`+entries()+`,{}]}`)
		}
	}
	if count, _, noted := p.router.Recent(); count != 1 || noted != 1 {
		t.Errorf("%d answers are kept and %d lists noted, want one and the same: nobody else was authorised", count, noted)
	}
}

// TestAnswerThatGrows: an answer that has become too large for one piece is not kept.
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
	if p.router.Last(list(body)) == nil {
		t.Error("the answer is not kept while it is small")
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
	if got := p.router.Last(list(body)); got != nil {
		t.Errorf("an answer of %d bytes is kept, want none", len(got))
	}
}

// TestRecentAnswersAreBounded: whatever clients ask for, what is kept stays below the limit, and what is asked for often stays or comes back.
func TestRecentAnswersAreBounded(t *testing.T) {
	p := startPair(t)
	long := make([]string, 6000)
	for i := range long {
		long[i] = entry(i)
	}
	often := p.body(mark, entries())
	var count, size int
	for i := range 150 {
		long[0] = entry(10_000 + i)
		body := p.body(mark, strings.Join(long, ","))
		for range 2 {
			p.do(t, "GET", body)
			p.do(t, "GET", often)
		}
		if count, size, _ = p.router.Recent(); size > legacy.MaxRecent {
			t.Fatalf("%d bytes are kept for %d lists, at most %d are allowed", size, count, legacy.MaxRecent)
		}
	}
	if size < legacy.MaxRecent/2 {
		t.Errorf("only %d bytes are kept for %d lists, so the limit was not tried", size, count)
	}
	p.do(t, "GET", often)
	if p.router.Last(list(often)) == nil {
		t.Error("the answer to the list that is asked for all the time is not kept")
	}
}

func TestRecentAnswersUnderLoad(t *testing.T) {
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

// TestRecentAnswersProperties: whatever happens between, both servers answer the same.
func TestRecentAnswersProperties(t *testing.T) {
	p := startPair(t)
	bodies := []string{p.body(mark, entries()), p.body(alice, entries(`{"user_id":"USER000003@example.test"}`)), p.body(mark, entries(entry(3), entry(3)))}
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) { p.get(t, rapid.SampledFrom(bodies).Draw(t, "body")) },
			"write": func(t *rapid.T) {
				id, protocol := domain.UserID(user(rapid.IntRange(0, 5).Draw(t, "user"))), rapid.SampledFrom([]domain.Protocol{spreed, xmpp}).Draw(t, "protocol")
				p.core.Change(t, id, protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
					if old.Revision > 0 && rapid.Bool().Draw(t, "remove") {
						return old.Remove(now)
					}
					return old.Observe(domain.Shown{Status: rapid.SampledFrom(domain.Statuses()).Draw(t, "status"), Message: rapid.SampledFrom([]string{"", "\"", "lunch"}).Draw(t, "message")}, domain.ExpiryPolicy{After: time.Duration(rapid.IntRange(0, 3).Draw(t, "expiry")) * time.Second}, now)
				})
			},
			"time": func(t *rapid.T) {
				p.clock.now += domain.Timestamp(rapid.IntRange(-2, 3).Draw(t, "seconds")) * domain.Timestamp(time.Second) // which may be set back
			},
		})
	})
}

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

// TestUnusualHeads: documents that begin otherwise are answered as ever, and recent answers do not make anything valid.
func TestUnusualHeads(t *testing.T) {
	p := startPair(t)
	token, list := p.tokens.Issue(mark), `[`+entries()+`]}`
	for range 3 {
		p.get(t, `{"AuthenticationToken":"`+token+`","Type":"UserStatus","UserStatus":`+list)
	}
	for _, test := range []struct {
		head string
		want error
	}{
		{`{"AuthenticationToken":"` + token + `","UserStatus":`, problem.ErrMalformed},
		{`{"Type":"UserStatus","UserStatus":`, domain.ErrUnauthenticated},
		{`{"UserStatus":`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `","Type":"Other","UserStatus":`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","Type":"UserStatus","UserStatus":`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `","AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":{}`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","x":`, problem.ErrMalformed},
		{`{"AuthenticationToken":"` + token + `" "Type":"UserStatus","UserStatus":`, problem.ErrMalformed},
		{`["AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, problem.ErrMalformed},
		{`{"x":1,"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":`, nil},
		{`{"AuthenticationToken":"` + token + `","Type":"User\u0053tatus","UserStatus":`, nil},
		{`{"AuthenticationToken":"` + token + `","Type":"UserStatus","ü":1,"UserStatus":`, nil},
		{`{"AuthenticationToken":"` + token + "\",\"Type\":\"UserStatus\",\"\xff\":1,\"UserStatus\":", problem.ErrMalformed},
	} {
		if got := p.get(t, test.head+list); !errors.Is(got.kind, test.want) {
			t.Errorf("%s...: %+v, want %v", test.head, got, test.want)
		}
	}
}

// TestRecentAnswerIsNotChanged: the bytes are shared by all clients that they are sent to.
func TestRecentAnswerIsNotChanged(t *testing.T) {
	p := startPair(t)
	body := p.body(mark, entries())
	for range 2 {
		p.get(t, body)
	}
	before := p.router.Last(list(body))
	kept := bytes.Clone(before)
	for range 20 {
		p.get(t, body)
		p.do(t, "GET", "bad")
		p.do(t, "PUT", p.body(mark, ""))
	}
	if after := p.router.Last(list(body)); len(kept) == 0 || !bytes.Equal(before, kept) || &after[0] != &before[0] {
		t.Error("the answer's memory was changed, or replaced although nothing happened")
	}
}

// list returns the text of a request's list.
func list(body string) []byte { return []byte(body[strings.IndexByte(body, '['):]) }
