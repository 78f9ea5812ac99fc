package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// receiver knows what an exporter has told it.
type receiver struct {
	*rapid.T
	store *coretest.Core
	feed  *app.Feed

	outbox *app.Outbox
	knows  map[domain.UserID]domain.State
	given  []ports.Mark    // of this run
	kept   domain.Revision // the position
}

// begin is a start of the exporter, at the position that was kept.
func (r *receiver) begin() {
	if r.outbox != nil {
		r.outbox.Close()
	}
	r.given, r.outbox = nil, app.Follow(r.feed, r.kept, slog.New(slog.DiscardHandler))
}

// change changes what a user says, or removes the user.
func (r *receiver) change() {
	user := domain.UserID(fmt.Sprintf("u%d@example.test", rapid.IntRange(0, 5).Draw(r.T, "user")))
	status := rapid.SampledFrom([]domain.Status{domain.Busy, domain.Away, domain.Unavailable}).Draw(r.T, "status")
	remove := rapid.IntRange(0, 3).Draw(r.T, "remove") == 0
	r.store.Change(r.T, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		if remove {
			return old.Remove(now)
		}
		return old.Observe(domain.Shown{Status: status}, domain.ExpiryPolicy{}, now)
	})
}

// take takes the next news, if there are any.
func (r *receiver) take(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	news, err := r.outbox.Next(ctx)
	if err != nil {
		return false
	}
	for _, state := range news.States {
		before := r.knows[state.User]
		switch {
		case news.Told && (before.Revision < state.Revision || before.Unified.Status != state.Unified.Status):
			r.Errorf("%s is said to have been told as %+v, and was told as %+v", state.User, state.Unified, before.Unified)
		case before.Revision > state.Revision:
			r.Errorf("%s is given with revision %d after %d", state.User, state.Revision, before.Revision)
		case !news.Told:
			r.knows[state.User] = state
		}
	}
	r.given = append(r.given, news.Mark)
	return true
}

// takeAll takes what there is: a change that comes after a beginning comes with everything that has changed before.
func (r *receiver) takeAll() {
	for range 2 {
		r.store.Change(r.T, mark, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
			return old.Observe(domain.Shown{Status: domain.Busy, Message: fmt.Sprint(old.Revision)}, domain.ExpiryPolicy{}, now)
		})
		for r.knows[mark].Revision < r.store.Revision() {
			if !r.take(time.Minute) {
				r.Fatal("there are no news")
			}
		}
	}
}

// keep acknowledges a mark, and keeps the position.
func (r *receiver) keep() {
	if len(r.given) == 0 {
		return
	}
	at := rapid.IntRange(0, len(r.given)-1).Draw(r.T, "mark")
	r.outbox.Acknowledge(r.given[at])
	r.given = r.given[at:]
	if position, ok := r.outbox.Position(); ok {
		r.kept = position
	}
}

// TestReceiversEndWithTheLatest: whatever is acknowledged, given anew, and begun again, a receiver knows in the end what is, and it knows what it is said to
// have been told.
func TestReceiversEndWithTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := coretest.Start(t)
		defer store.End()
		r := &receiver{T: t, store: store, feed: app.NewFeed(store.Core, clock.New(), domain.Precedence{}), knows: map[domain.UserID]domain.State{}}
		r.change()
		r.begin()
		defer func() { r.outbox.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"change":       func(*rapid.T) { r.change() },
			"change twice": func(*rapid.T) { r.change(); r.change() },
			"take":         func(*rapid.T) { r.take(time.Millisecond) },
			"keep":         func(*rapid.T) { r.keep() },
			"renew":        func(*rapid.T) { r.outbox.Renew() },
			"begin":        func(*rapid.T) { r.begin() },
		})
		r.takeAll()
		for i := range 6 {
			user := domain.UserID(fmt.Sprintf("u%d@example.test", i))
			now, _ := r.outbox.State(user)
			if knows := r.knows[user]; now.Unified.Status != knows.Unified.Status || now.Revision > 0 && len(now.Presences) > 0 && knows.Revision != now.Revision {
				t.Errorf("%s is %s, revision %d; the receiver knows %s, %d", user, now.Unified.Status, now.Revision, knows.Unified.Status, knows.Revision)
			}
		}
	})
}

// A long beginning is given in pieces, and each counts.
func TestABeginningInPieces(t *testing.T) {
	store := coretest.Start(t)
	feed := app.NewFeed(store.Core, clock.New(), domain.Precedence{})
	for i := range 2500 {
		store.Change(t, domain.UserID(fmt.Sprintf("u%d@example.test", i)), chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
			return old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, now)
		})
	}
	outbox := app.Follow(feed, 0, quiet)
	defer outbox.Close()
	for _, want := range []int{1000, 1000, 500} {
		news, err := outbox.Next(t.Context())
		if err != nil || len(news.States) != want || news.Told {
			t.Fatalf("%d states, %v", len(news.States), err)
		}
		if outbox.Acknowledge(news.Mark); want == 1000 {
			position, _ := outbox.Position()
			again := app.Follow(feed, position, quiet)
			news, err := again.Next(t.Context())
			if again.Close(); err != nil || !news.Told || len(news.States) == 0 || news.States[len(news.States)-1].Revision > position {
				t.Errorf("after position %d: %d states, told: %v, %v", position, len(news.States), news.Told, err)
			}
		}
	}
	if position, ok := outbox.Position(); !ok || position != store.Revision() {
		t.Errorf("at the end the position is %d of %d", position, store.Revision())
	}
}

// Who was away for longer than removals are remembered is told everybody anew, and the log says why.
func TestAwayForTooLong(t *testing.T) {
	store := coretest.Start(t)
	store.Change(t, anna, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, now)
	})
	since := store.Revision()
	store.Elsewhere(t, since+1000)
	var log bytes.Buffer
	outbox := app.Follow(app.NewFeed(store.Core, clock.New(), domain.Precedence{}), since, slog.New(slog.NewTextHandler(&log, nil)))
	defer outbox.Close()
	if news, err := outbox.Next(t.Context()); err != nil || news.Told || len(news.States) != 1 || !strings.Contains(log.String(), "tells all others anew") {
		t.Errorf("the news are %+v, %v; the log says %s", news, err, &log)
	}
}

// An exporter is given what it sees, and nothing of changes that it does not see. A user that new rules hide is given as an unknown one.
func TestAnExporterIsGivenWhatItSees(t *testing.T) {
	exported(t, func(s *exportStage) {
		rules := func(sees ...string) *domain.Visibility {
			t.Helper()
			visibility, err := domain.NewVisibility([]domain.VisibilityRule{
				{Viewer: "service", User: string(anna), Sees: sees[0]}, {Viewer: "service", User: string(bea), Sees: sees[1]},
			}, domain.UserList{})
			if err != nil {
				t.Fatal(err)
			}
			return visibility
		}
		sights := app.NewSights(rules("status", "nothing"), nil)
		s.store.Sights = sights
		crm := newScripted("webhook:crm")
		s.set(anna, domain.Busy)
		s.set(bea, domain.Away)
		s.begin(crm)
		outbox := <-crm.runs
		outbox.Acknowledge(s.next(outbox, "anna busy"))
		seen, _ := outbox.State(anna)
		if hidden, _ := outbox.State(bea); seen.Presences != nil || seen.Unified.Message != "" || hidden.Revision != 0 {
			s.Errorf("it sees %+v and %+v", seen, hidden)
		}
		s.set(bea, domain.Busy)
		s.next(outbox, "")
		s.set(anna, domain.Busy) // with another message
		s.next(outbox, "")
		sights.Configure(rules("nothing", "all"))
		s.all.Renew()
		s.next(outbox, "anna unavailable, bea busy")
		s.end()
	})
}

// TestHiddenChangesMakeNoNews: an exporter is given a change exactly if it can see it.
func TestHiddenChangesMakeNoNews(t *testing.T) {
	rules, err := domain.NewVisibility([]domain.VisibilityRule{
		{Viewer: "service", User: string(anna), Sees: "status"}, {Viewer: "service", User: string(carl), Sees: "nothing"}, {Viewer: "service", User: "*", Sees: "all"},
	}, domain.UserList{})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		store := coretest.Start(t)
		defer store.End()
		store.Sights = app.NewSights(rules, nil)
		outbox := app.Follow(app.NewFeed(store.Core, clock.New(), domain.Precedence{}), 0, quiet)
		defer outbox.Close()
		set := func(user domain.UserID, shown domain.Shown) {
			store.Change(t, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
				return old.Observe(shown, domain.ExpiryPolicy{}, now)
			})
		}
		next := func() (given []string) { // up to the next change of mark
			set(mark, domain.Shown{Status: domain.Busy, Message: fmt.Sprint(store.Revision())})
			for {
				news, err := outbox.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, state := range news.States {
					if state.User == mark {
						return given
					}
					given = append(given, fmt.Sprint(state.User, " ", state.Unified.Status, " ", state.Unified.Message))
				}
			}
		}
		next()
		last := map[domain.UserID]domain.Shown{}
		for range 10 {
			user := rapid.SampledFrom([]domain.UserID{anna, bea, carl}).Draw(t, "user")
			shown := domain.Shown{
				Status:  rapid.SampledFrom([]domain.Status{domain.Busy, domain.Away}).Draw(t, "status"),
				Message: rapid.SampledFrom([]string{"", "lunch"}).Draw(t, "message"),
			}
			set(user, shown)
			before, known := last[user]
			last[user] = shown
			var want []string
			switch {
			case user == anna && (!known || before.Status != shown.Status):
				want = []string{fmt.Sprint(user, " ", shown.Status, " ")}
			case user == bea && (!known || before != shown):
				want = []string{fmt.Sprint(user, " ", shown.Status, " ", shown.Message)}
			}
			if got := next(); !slices.Equal(got, want) {
				t.Errorf("%s, who was %+v, is %+v: given was %q, want %q", user, before, shown, got, want)
			}
		}
	})
}

// While the daemon was halted others may have told something newer, so it tells nothing until it has caught up.
func TestNothingIsToldAfterAHalt(t *testing.T) {
	store := coretest.Start(t)
	store.Change(t, anna, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, now)
	})
	var ready error
	outbox := app.FollowWhile(app.NewFeed(store.Core, clock.New(), domain.Precedence{}), 0, func() error { return ready }, quiet)
	defer outbox.Close()
	if news, err := outbox.Next(t.Context()); err != nil || len(news.States) != 1 {
		t.Errorf("the news are %+v, %v", news, err)
	}
	ready = ports.ErrLoading
	if _, ok := outbox.State(anna); ok {
		t.Error("it may tell although it is behind")
	}
	ready = nil
	if state, ok := outbox.State(anna); !ok || state.Unified.Status != domain.Busy {
		t.Errorf("it may not tell %+v", state)
	}
}
