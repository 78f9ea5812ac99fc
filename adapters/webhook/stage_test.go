package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/ports"
)

var chat = domain.MustProtocol("xmpp")

// stage is an exporter over a real core, in fake time, and an endpoint that does what the test says.
type stage struct {
	*testing.T
	store    *coretest.Core
	sights   *app.Sights
	exporter *webhook.Exporter
	all      *app.Exporters
	log      bytes.Buffer
	end      func()

	mu     sync.Mutex
	answer func(webhooktest.Message) *http.Response // nil: 204
	sent   []webhooktest.Message
	flying int
	most   int // that were flying at once
	began  time.Time
}

// staged runs a test with a webhook for which change has changed the configuration.
func staged(t *testing.T, change func(*webhook.Config), test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := config("https://crm.example.test/presence")
		if change != nil {
			change(&c)
		}
		s := &stage{T: t, store: coretest.Start(t), began: time.Now()}
		s.sights = app.NewSights(new(domain.Visibility), nil)
		s.store.Sights = s.sights
		s.exporter = createLogging(t, c, slog.New(slog.NewTextHandler(&s.log, nil)))
		s.exporter.By(s)
		s.begin()
		test(s)
		s.end()
	})
}

// alone runs a test with a webhook that is given the states of one user: without a core days take no time.
func alone(t *testing.T, test func(s *stage, give func(domain.Status))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, began: time.Now()}
		s.exporter = createLogging(t, config("https://crm.example.test/presence"), slog.New(slog.NewTextHandler(&s.log, nil)))
		s.exporter.By(s)
		outbox := &oneUser{news: make(chan ports.News)}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := s.exporter.Run(ctx, outbox); !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v", err)
			}
		})
		test(s, outbox.give)
		cancel()
		running.Wait()
	})
}

// oneUser is an outbox about anna.
type oneUser struct {
	news  chan ports.News
	state atomic.Pointer[domain.State]
}

func (o *oneUser) give(status domain.Status) {
	state := domain.State{User: "anna@example.test", Revision: 1, Unified: domain.Unified{Status: status}}
	if before := o.state.Load(); before != nil {
		state.Revision = before.Revision + 1
	}
	o.state.Store(&state)
	o.news <- ports.News{States: []domain.State{state}, Mark: ports.Mark{Revision: state.Revision}}
}

// Next implements ports.Outbox.
func (o *oneUser) Next(ctx context.Context) (ports.News, error) {
	select {
	case news := <-o.news:
		return news, nil
	case <-ctx.Done():
		return ports.News{}, ctx.Err()
	}
}

// State implements ports.Outbox.
func (o *oneUser) State(domain.UserID) (domain.State, bool) { return *o.state.Load(), true }

// Acknowledge implements ports.Outbox.
func (*oneUser) Acknowledge(ports.Mark) {}

// begin starts the exporters, as a daemon does.
func (s *stage) begin() {
	s.Helper()
	s.all = app.NewExporters(s.store.Core, app.NewFeed(s.store.Core, clock.New(), domain.Precedence{}), memory.NewJournal(), slog.New(slog.DiscardHandler))
	if err := s.all.Configure([]ports.Exporter{s.exporter}, 1); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.all.Run(ctx) })
	s.end = func() { cancel(); running.Wait() }
	s.Cleanup(s.end)
	synctest.Wait()
}

// RoundTrip implements http.RoundTripper.
func (s *stage) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	m := webhooktest.Message{ID: request.Header.Get("webhook-id"), At: time.Now(), Body: body}
	if err := json.Unmarshal(body, &m); err != nil {
		s.Errorf("the body of a message is %s: %v", body, err)
	}
	s.mu.Lock()
	s.sent = append(s.sent, m)
	s.flying++
	s.most = max(s.most, s.flying)
	answer := s.answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.flying--
		s.mu.Unlock()
	}()
	if answer == nil {
		return status(204), nil
	}
	if response := answer(m); response != nil {
		return response, nil
	}
	<-request.Context().Done()
	return nil, request.Context().Err()
}

func status(code int, headers ...string) *http.Response {
	response := &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
	for i := 0; i < len(headers); i += 2 {
		response.Header.Set(headers[i], headers[i+1])
	}
	return response
}

// respond has messages answered by a function, nil: with 204, and by nothing if that returns nil.
func (s *stage) respond(answer func(webhooktest.Message) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// always answers with a status.
func always(code int, headers ...string) func(webhooktest.Message) *http.Response {
	return func(webhooktest.Message) *http.Response { return status(code, headers...) }
}

// set changes what a user says.
func (s *stage) set(name string, shown domain.Shown) {
	s.Helper()
	user := domain.UserID(name)
	if !strings.Contains(name, "@") {
		user = domain.UserID(name + "@example.test")
	}
	s.store.Change(s.T, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(shown, domain.ExpiryPolicy{}, now)
	})
	synctest.Wait()
}

// hide hides one user from services, and nobody else.
func (s *stage) hide(user string) {
	s.Helper()
	rules, err := domain.NewVisibility([]domain.VisibilityRule{{Viewer: "service", User: user, Sees: "nothing"}, {Viewer: "*", User: "*", Sees: "all"}}, domain.UserList{})
	if err != nil {
		s.Fatal(err)
	}
	s.sights.Configure(rules)
}

func (s *stage) busy(name string) { s.Helper(); s.set(name, domain.Shown{Status: domain.Busy}) }
func (s *stage) away(name string) { s.Helper(); s.set(name, domain.Shown{Status: domain.Away}) }

// takeSent returns what was sent since the last call.
func (s *stage) takeSent() []webhooktest.Message {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// expect compares what was sent since the last call, in alphabetical order: "anna busy, bea away".
func (s *stage) expect(want string) []webhooktest.Message {
	s.Helper()
	sent := s.takeSent()
	var got []string
	for _, m := range sent {
		name, _, _ := strings.Cut(m.Data.User, "@")
		got = append(got, fmt.Sprint(name, " ", m.Data.Status))
	}
	slices.Sort(got) // the order of several users is not promised
	if strings.Join(got, ", ") != want {
		s.Errorf("after %v: sent was %q, want %q", time.Since(s.began), strings.Join(got, ", "), want)
	}
	return sent
}
