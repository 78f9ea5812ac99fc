package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// feed is the use case over the fixture's store.
func (f *fixture) feed() *app.Feed { return app.NewFeed(f.store.Core, f.clock, domain.Precedence{}) }

// newManualFixture is a fixture in which clients may also set what they want by hand.
func newManualFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	presence, err := app.NewPresence(f.store.Core, f.clock, []domain.ClientProtocol{spreed, {Protocol: domain.MustProtocol("manual"), Expiry: domain.ExpiryPolicy{Vanishes: true}, Hides: true}}, []domain.Protocol{chat})
	if err != nil {
		t.Fatal(err)
	}
	f.Presence = presence
	return f
}

// statesOf is Feed.States of users who can be named.
func statesOf(t tester, feed ports.Feed, users ...string) (states []domain.State, forgotten domain.Revision) {
	t.Helper()
	states, forgotten, err := feed.States(domain.Principal{}, users, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return states, forgotten
}

func TestStatesHaveTheRevisionOfTheLastChange(t *testing.T) {
	f := newFixture(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch")
	f.set(t, mark, "busy", "in a meeting")
	f.observe(t, anna, domain.Available, "")
	states, _ := statesOf(t, feed, "MarkD@zarafa.com", "nobody@example.test", string(anna))
	if got := states[0]; got.User != mark || got.Revision != 2 || render(got.Presences) != "spreed=busy in a meeting, xmpp=away lunch" {
		t.Errorf("mark is %+v", got)
	}
	if got := states[1]; got.User != "nobody@example.test" || got.Revision != 0 || len(got.Presences) != 0 {
		t.Errorf("nobody is %+v", got)
	}
	if got := states[2]; got.Revision != 3 || feed.Revision() != 3 {
		t.Errorf("anna is %+v, the feed is at %d", got, feed.Revision())
	}
	f.remove(t, mark)
	if changed, err := feed.Changed(t.Context(), domain.Principal{}, 0); err != nil || changed[len(changed)-1].User != mark || changed[len(changed)-1].Revision != 4 {
		t.Errorf("after a removal there are %+v, %v; want mark last, with the revision of the removal", changed, err)
	}
	if states, _ := statesOf(t, feed, string(mark)); states[0].Revision != 4 || render(states[0].Presences) != "spreed=busy in a meeting" {
		t.Errorf("after a removal mark is %+v", states[0])
	}
	f.clock.now = f.clock.now.Add(time.Hour)
	if states, _ := statesOf(t, feed, string(mark)); render(states[0].Presences) != "spreed=unavailable" {
		t.Errorf("after the expiry mark is %+v", states[0])
	}
	var problems domain.Problems
	into := make([]domain.State, 1, 9)
	if got, _, err := feed.States(domain.Principal{}, []string{string(mark), "nonsense", "@"}, into); !errors.As(err, &problems) || len(problems) != 2 || len(got) != 1 {
		t.Errorf("States of nonsense = %v, %v", got, err)
	}
}

func TestChangedSince(t *testing.T) {
	f := newFixture(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch")          // 1
	f.observe(t, anna, domain.Available, "")          // 2
	f.set(t, mark, "busy", "in a meeting")            // 3
	f.observe(t, "kim@example.test", domain.Away, "") // 4
	f.remove(t, anna)                                 // 5
	for since, want := range map[domain.Revision]string{
		0: "markd@zarafa.com=3 kim@example.test=4", // whoever has seen nothing need not be told of anna
		2: "markd@zarafa.com=3 kim@example.test=4 anna@example.test=5",
		3: "kim@example.test=4 anna@example.test=5",
		5: "",
	} {
		changed, err := feed.Changed(t.Context(), domain.Principal{}, since)
		var got []string
		for _, state := range changed {
			got = append(got, fmt.Sprintf("%s=%d", state.User, state.Revision))
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("since %d: %v, %v, want %s", since, got, err, want)
		}
	}
	f.store.Elsewhere(t, 100)
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := feed.Changed(ended, domain.Principal{}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if _, err := feed.Changed(t.Context(), domain.Principal{}, 99); !errors.Is(err, ports.ErrCompacted) {
		t.Errorf("since what was forgotten: %v", err)
	}
	states, forgotten := statesOf(t, feed, string(mark))
	if !states[0].ChangedSince(99, forgotten) || states[0].ChangedSince(100, forgotten) || feed.Revision() != 100 {
		t.Errorf("%+v, forgotten up to %d", states[0], forgotten)
	}
}

// TestFollowerHoldsWhatIsStored: whatever happens, and whenever a follower looks, it holds in the end what the store does; it is told in
// the order of revisions, and each user once at a time.
func TestFollowerHoldsWhatIsStored(t *testing.T) {
	users := []string{string(mark), string(anna), "kim@example.test"}
	rapid.Check(t, func(rt *rapid.T) {
		f := newManualFixture(t)
		feed := f.feed()
		following := feed.Follow()
		defer following.Close()
		holds := make(map[domain.UserID]domain.State)
		var last domain.Revision
		look := func() {
			for last < feed.Revision() {
				states, revision, err := following.Next(t.Context())
				if err != nil {
					rt.Fatal(err)
				}
				for _, state := range states {
					if state.Revision <= last || state.Revision > revision {
						rt.Fatalf("after %d came %d, of a batch up to %d", last, state.Revision, revision)
					}
					last = state.Revision
					holds[state.User] = state
				}
				last = revision
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			f.act(t, rt, rapid.SampledFrom(users).Draw(rt, "user"))
			if rapid.Bool().Draw(rt, "looks") {
				look()
			}
		}
		look()
		for _, user := range users {
			states, _ := statesOf(rt, feed, user)
			held, told := holds[states[0].User]
			if render(held.Presences) != render(states[0].Presences) || told && held.Revision != states[0].Revision {
				rt.Fatalf("the follower holds %+v, the store %+v", held, states[0])
			}
		}
	})
}

// act changes something about a user.
func (f *fixture) act(t *testing.T, rt *rapid.T, user string) {
	t.Helper()
	by := domain.Principal{User: domain.UserID(user)}
	update := domain.Update{User: user, Protocol: rapid.SampledFrom([]string{"spreed", "manual"}).Draw(rt, "protocol"),
		Status: rapid.SampledFrom(domain.Statuses()).Draw(rt, "status").String(), Remove: rapid.IntRange(0, 3).Draw(rt, "remove") == 0}
	if rapid.IntRange(0, 2).Draw(rt, "observed") == 0 {
		f.observe(t, domain.UserID(user), domain.Away, fmt.Sprint(rapid.IntRange(0, 3).Draw(rt, "message")))
		return
	}
	if err := f.Update(t.Context(), by, []domain.Update{update}); err != nil {
		rt.Fatal(err)
	}
}

func TestFollowingEnds(t *testing.T) {
	f := newFixture(t)
	f.observe(t, mark, domain.Away, "")
	following := f.feed().Follow()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if states, _, err := following.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next = %v, %v though nothing has changed", states, err)
	}
	following.Close()
	if _, _, err := following.Next(t.Context()); !errors.Is(err, ports.ErrWatchClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestWhatIsSetByHand(t *testing.T) {
	f := newManualFixture(t)
	until := f.clock.now.Add(time.Hour)
	set := func(update domain.Update) error {
		update.User = string(mark)
		return f.Update(t.Context(), asMark, []domain.Update{update})
	}
	if err := set(domain.Update{Protocol: "manual", Status: "busy", Message: "until three", Until: until}); err != nil {
		t.Fatal(err)
	}
	if got := f.says(t, string(mark)); got != "manual=busy until three" {
		t.Errorf("mark is %q", got)
	}
	for name, update := range map[string]domain.Update{
		"has passed":             {Protocol: "manual", Status: "busy", Until: f.clock.now},
		"holds for 2m0s at most": {Protocol: "spreed", Status: "busy", Until: until},
	} {
		var problems domain.Problems
		err := set(update)
		if !errors.As(err, &problems) || !errors.Is(err, domain.ErrInvalidUntil) || problems[0].Field != domain.FieldUntil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := set(domain.Update{Protocol: "spreed", Status: "busy", Until: f.clock.now.Add(time.Minute)}); err != nil {
		t.Errorf("less than a protocol's time: %v", err)
	}
	if err := set(domain.Update{Protocol: "xmpp", Remove: true}); !errors.Is(err, domain.ErrReadOnly) {
		t.Errorf("taking away what a source tells: %v", err)
	}
	if err := f.Update(t.Context(), asMark, []domain.Update{{User: string(anna), Protocol: "manual", Remove: true}}); !errors.Is(err, domain.ErrForbidden) {
		t.Errorf("taking away what another has set: %v", err)
	}
	f.clock.now = until + 1
	if got := f.says(t, string(mark)); got != "spreed=unavailable" {
		t.Errorf("after the end mark is %q", got)
	}
	for range 2 { // which may be repeated
		if err := set(domain.Update{Protocol: "manual", Remove: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, there := f.store.Presences(mark).On(domain.MustProtocol("manual")); there {
		t.Error("what was taken away is stored")
	}
}
