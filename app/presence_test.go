package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	mark  domain.UserID    = "markd@zarafa.com"
	anna  domain.UserID    = "anna@example.test"
	start domain.Timestamp = 1_700_000_000_000_000_000
)

var (
	web       = domain.MustProtocol("spreed")
	chat      = domain.MustProtocol("xmpp")
	asMark    = domain.Principal{User: mark}
	asService = domain.Principal{User: "service@zarafa.com", Any: true}
	spreed    = domain.ClientProtocol{Protocol: web, Expiry: domain.ExpiryPolicy{After: 2 * time.Minute}}
	quiet     = slog.New(slog.DiscardHandler)
)

// fixedClock is a clock that a test sets.
type fixedClock struct{ now domain.Timestamp }

func (c *fixedClock) Now() domain.Timestamp { return c.now }

// fixture is the use case over a real store in memory.
type fixture struct {
	*app.Presence
	store *coretest.Core
	clock *fixedClock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: coretest.Start(t), clock: &fixedClock{start}}
	f.Presence = newPresence(t, f.store, f.clock)
	return f
}

func newPresence(t *testing.T, store *coretest.Core, clock ports.Clock) *app.Presence {
	t.Helper()
	presence, err := app.NewPresence(store.Core, clock, []domain.ClientProtocol{spreed}, []domain.Protocol{chat})
	if err != nil {
		t.Fatal(err)
	}
	return presence
}

// observe puts what a source has seen into the store.
func (f *fixture) observe(t *testing.T, user domain.UserID, status domain.Status, message string) {
	t.Helper()
	old, _ := f.store.Presences(user).On(chat)
	next := old.Observe(domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{}, f.clock.now)
	if err := f.store.Apply(t.Context(), image.Write{User: user, Old: old, New: next}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) remove(t *testing.T, user domain.UserID) {
	t.Helper()
	old, _ := f.store.Presences(user).On(chat)
	if err := f.store.Apply(t.Context(), image.Write{User: user, Old: old, New: old.Remove(f.clock.now)}); err != nil {
		t.Fatal(err)
	}
}

type tester interface {
	Helper()
	Fatalf(string, ...any)
}

func (f *fixture) set(t tester, user domain.UserID, status, message string) {
	t.Helper()
	err := f.Update(context.Background(), asService, []domain.Update{{User: string(user), Protocol: web.String(), Status: status, Message: message}})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// says renders what Query answers for one id.
func (f *fixture) says(t *testing.T, id string) string {
	t.Helper()
	answers, err := f.Query(domain.Principal{}, []string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return render(answers[0])
}

func render(ps domain.Presences) string {
	var parts []string
	for _, p := range ps {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%s %s", p.Protocol, p.Status, p.Message)))
	}
	return strings.Join(parts, ", ")
}

func TestUpdateThenQuery(t *testing.T) {
	f := newFixture(t)
	f.observe(t, mark, domain.Away, "lunch")
	err := f.Update(t.Context(), asMark, []domain.Update{{User: "MarkD@Zarafa.com", Protocol: "spreed", Status: "available", Message: "feeling chatty.."}})
	if err != nil {
		t.Fatal(err)
	}
	answers, err := f.Query(domain.Principal{}, []string{"markd@zarafa.com", "nobody@zarafa.com", "MARKD@zarafa.com"}, nil)
	if err != nil || len(answers) != 3 {
		t.Fatalf("Query = %v, %v", answers, err)
	}
	const want = "spreed=available feeling chatty.., xmpp=away lunch"
	for i, expected := range []string{want, "", want} {
		if got := render(answers[i]); got != expected {
			t.Errorf("answer %d is %q, want %q", i, got, expected)
		}
	}
}

func TestQueryAppends(t *testing.T) {
	f := newFixture(t)
	into := make([]domain.Presences, 0, 8)
	first, err := f.Query(domain.Principal{}, []string{"a@example.test"}, into)
	if err != nil {
		t.Fatal(err)
	}
	both, err := f.Query(domain.Principal{}, []string{"b@example.test"}, first)
	if err != nil || len(both) != 2 || &both[0] != &into[:1][0] {
		t.Errorf("Query = %v, %v; want two entries in the slice that was given", both, err)
	}
}

func TestQueryNamesEveryInvalidID(t *testing.T) {
	f := newFixture(t)
	into := []domain.Presences{nil}
	answers, err := f.Query(domain.Principal{}, []string{"no-at", "fine@example.test", "a@b@c"}, into)
	var problems domain.Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Index != 0 || problems[1].Index != 2 || problems[1].Field != domain.FieldUser {
		t.Errorf("err = %v, want problems with entries 0 and 2", err)
	}
	if len(answers) != len(into) {
		t.Errorf("%d answers, want what was given", len(answers))
	}
}

func TestQueryDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	f.observe(t, mark, domain.Busy, "")
	ids, into := []string{"markd@zarafa.com", "nobody@zarafa.com"}, make([]domain.Presences, 0, 2)
	if got := testing.AllocsPerRun(100, func() { _, _ = f.Query(domain.Principal{}, ids, into) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func TestExpiryIsExactOnRead(t *testing.T) {
	f := newFixture(t)
	update := []domain.Update{{User: string(mark), Protocol: "spreed", Status: "busy", Message: "presenting"}}
	if err := f.Update(t.Context(), asMark, update); err != nil {
		t.Fatal(err)
	}
	f.clock.now = start.Add(2 * time.Minute)
	if got := f.says(t, string(mark)); got != "spreed=busy presenting" {
		t.Errorf("exactly after the time: %q", got)
	}
	f.clock.now++
	if got := f.says(t, string(mark)); got != "spreed=unavailable" {
		t.Errorf("a moment later: %q", got)
	}
	if err := f.Update(t.Context(), asMark, update); err != nil {
		t.Fatal(err)
	}
	if got := f.says(t, string(mark)); got != "spreed=busy presenting" {
		t.Errorf("after coming back: %q", got)
	}
}

func TestHeartbeatIsNoChange(t *testing.T) {
	f := newFixture(t)
	update := []domain.Update{{User: string(mark), Protocol: "spreed", Status: "busy", Message: "presenting"}}
	for range 3 {
		if err := f.Update(t.Context(), asMark, update); err != nil {
			t.Fatal(err)
		}
		f.clock.now = f.clock.now.Add(time.Minute)
	}
	p, _ := f.store.Presences(mark).On(web)
	if p.Since != start || p.Updated != start.Add(2*time.Minute) || p.Expires != start.Add(4*time.Minute) || p.Revision != 1 {
		t.Errorf("after three heartbeats: %+v", p)
	}
}

func TestUpdateKeepsNoReferenceToTheCallersStrings(t *testing.T) {
	f := newFixture(t)
	for _, step := range []struct {
		status, message string
		later           time.Duration
	}{
		{"busy", "hello", 0},
		{"away", "hello", 0},         // the same message, but not a repetition
		{"away", "hello", 0},         // a repetition
		{"away", "hello", time.Hour}, // what was there has expired
		{"busy", "there", 0},
	} {
		f.clock.now = f.clock.now.Add(step.later)
		user, status, message := []byte(mark), []byte(step.status), []byte(step.message)
		update := domain.Update{User: unsafeString(user), Protocol: "spreed", Status: unsafeString(status), Message: unsafeString(message)}
		if err := f.Update(t.Context(), asMark, []domain.Update{update, update}); err != nil {
			t.Fatal(err)
		}
		for _, buffer := range [][]byte{user, status, message} {
			for i := range buffer {
				buffer[i] = 'x'
			}
		}
		if got, want := f.says(t, string(mark)), "spreed="+step.status+" "+step.message; got != want {
			t.Errorf("after the caller reused its buffers: %q, want %q", got, want)
		}
	}
}

func TestUpdatesOfOnePresenceTakeEffectInOrder(t *testing.T) {
	f := newFixture(t)
	var updates []domain.Update
	for round := range 3 {
		for i := range 20 { // enough for the index of planned writes to be made
			updates = append(updates, domain.Update{User: fmt.Sprintf("user%d@example.test", i), Protocol: "spreed", Status: "busy", Message: fmt.Sprint(round)})
		}
	}
	if err := f.Update(t.Context(), asService, updates); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if got := f.says(t, fmt.Sprintf("user%d@example.test", i)); got != "spreed=busy 2" {
			t.Errorf("user %d: %q, want the last update", i, got)
		}
	}
}

// TestDevicesOfAClientProtocolAreLimited: one that has fallen silent makes room, then the one that has been quiet for longest, also within one
// request.
func TestDevicesOfAClientProtocolAreLimited(t *testing.T) {
	store := coretest.Start(t)
	store.Limits = app.NewCurrentLimits(app.Limits{Devices: 3})
	f := &fixture{store: store, clock: &fixedClock{start}}
	f.Presence = newPresence(t, store, f.clock)
	says := func(user domain.UserID, status string, devices ...string) (updates []domain.Update) {
		for _, device := range devices {
			updates = append(updates, domain.Update{User: string(user), Protocol: "spreed", Device: device, Status: status})
		}
		return updates
	}
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprint("m", i))
	}
	tests := []struct {
		after   time.Duration
		updates []domain.Update
		want    string
	}{
		{0, says(mark, "busy", "a"), "[a]"},
		{time.Second, says(mark, "away", "b", "c"), "[a b c]"},
		{time.Second, says(mark, "busy", "d"), "[b c d]"},
		{time.Second, says(mark, "away", "b"), "[b c d]"},
		{time.Second, says(mark, "away", "e"), "[b d e]"},
		{time.Second, append(says(mark, "unavailable", "e"), says(anna, "busy", "x")...), "[b d e]"},
		{time.Second, says(mark, "busy", "f"), "[b d f]"},
		{time.Second, says(mark, "busy", many[:5]...), "[m2 m3 m4]"},
		{time.Second, append(says(mark, "busy", many[5:]...), says(anna, "busy", many...)...), "[m27 m28 m29]"},
		{time.Second, append(says(mark, "away", "m28"), says(mark, "busy", "g", "h")...), "[g h m28]"},
		{3 * time.Minute, says(mark, "busy", "i"), "[i]"},
	}
	for i, test := range tests {
		f.clock.now = f.clock.now.Add(test.after)
		if err := f.Update(t.Context(), asService, test.updates); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range store.Presences(mark) {
			got = append(got, p.Device.String())
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("step %d: the devices are %v, want %s", i, got, test.want)
		}
	}
	if n := len(store.Presences(anna)); n != 3 {
		t.Errorf("anna has %d devices", n)
	}
}

func TestUpdateRefusesAllIfAnyIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		update domain.Update
		field  domain.Field
		want   error
	}{
		{"user", domain.Update{User: "markd", Protocol: "spreed", Status: "busy"}, domain.FieldUser, domain.ErrInvalidUser},
		{"no user", domain.Update{Protocol: "spreed", Status: "busy"}, domain.FieldUser, domain.ErrInvalidUser},
		{"somebody else", domain.Update{User: string(anna), Protocol: "spreed", Status: "busy"}, domain.FieldUser, domain.ErrForbidden},
		{"protocol", domain.Update{User: string(mark), Protocol: "fax", Status: "busy"}, domain.FieldProtocol, domain.ErrUnknownProtocol},
		{"status", domain.Update{User: string(mark), Protocol: "spreed", Status: "dnd"}, domain.FieldStatus, domain.ErrUnknownStatus},
		{"message", domain.Update{User: string(mark), Protocol: "spreed", Status: "busy", Message: strings.Repeat("x", 4097)}, domain.FieldMessage, domain.ErrInvalidMessage},
		{"read-only", domain.Update{User: string(mark), Protocol: "xmpp", Status: "busy"}, domain.FieldProtocol, domain.ErrReadOnly},
	}
	good := domain.Update{User: string(mark), Protocol: "spreed", Status: "available"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.observe(t, mark, domain.Away, "")
			err := f.Update(t.Context(), asMark, []domain.Update{good, test.update, good})
			var problems domain.Problems
			if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Index != 1 || problems[0].Field != test.field || !errors.Is(err, test.want) {
				t.Errorf("err = %#v, want a problem with field %d of entry 1: %v", err, test.field, test.want)
			}
			if got := f.says(t, string(mark)); got != "xmpp=away" {
				t.Errorf("a refused request changed something: %q", got)
			}
		})
	}
	t.Run("every fault is named", func(t *testing.T) {
		f := newFixture(t)
		var updates []domain.Update
		for _, test := range tests {
			updates = append(updates, test.update)
		}
		var problems domain.Problems
		if err := f.Update(t.Context(), asMark, updates); !errors.As(err, &problems) || len(problems) != len(tests) {
			t.Errorf("%d problems, want %d", len(problems), len(tests))
		}
	})
}

func TestRepeatingAReadOnlyPresenceIsNoChange(t *testing.T) {
	f := newFixture(t)
	f.observe(t, anna, domain.Busy, "on the phone")
	before, _ := f.store.Presences(anna).On(chat)
	f.clock.now++
	// Even for somebody else: a client sends back the list that it got.
	if err := f.Update(t.Context(), asMark, []domain.Update{{User: string(anna), Protocol: "xmpp", Status: "busy", Message: "on the phone"}}); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if after, _ := f.store.Presences(anna).On(chat); after != before {
		t.Errorf("it became %+v", after)
	}
	for _, update := range []domain.Update{
		{User: string(anna), Protocol: "xmpp", Status: "busy", Message: "in a meeting"},
		{User: string(anna), Protocol: "xmpp", Status: "away", Message: "on the phone"},
	} {
		if err := f.Update(t.Context(), asService, []domain.Update{update}); !errors.Is(err, domain.ErrReadOnly) {
			t.Errorf("%+v: %v, want ErrReadOnly", update, err)
		}
	}
}

// TestUpdateIsPlannedAnew: if another daemon has written the presence meanwhile, what is written is based on that.
func TestUpdateIsPlannedAnew(t *testing.T) {
	f := newFixture(t)
	f.store.Journal.Before(1, func() error {
		none := domain.Presence{Protocol: web}
		f.store.Elsewhere(t, 0, image.Write{User: mark, Old: none, New: none.Observe(domain.Shown{Status: domain.Busy}, spreed.Expiry, 5)})
		return nil
	})
	if err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "spreed", Status: "busy"}}); err != nil {
		t.Fatal(err)
	}
	p, _ := f.store.Presences(mark).On(web)
	if p.Status != domain.Busy || p.Updated != start || p.Revision == 0 || f.store.Journal.Appends.Load() < 2 {
		t.Errorf("after %d appends there is %+v", f.store.Journal.Appends.Load(), p)
	}
}

func TestUpdatePassesOnWhatTheJournalSays(t *testing.T) {
	f := newFixture(t)
	f.store.Journal.Before(1, func() error { return fmt.Errorf("disk: %w", ports.ErrUnavailable) })
	err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "spreed", Status: "busy"}})
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("err = %v, want ErrUnavailable", err)
	}
	if got := f.says(t, string(mark)); got != "" {
		t.Errorf("it says %q", got)
	}
}

func TestUpdateOfNothingWritesNothing(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Writer.Sync(t.Context()); err != nil { // the writer's own first entry
		t.Fatal(err)
	}
	before := f.store.Journal.Appends.Load()
	if err := f.Update(t.Context(), asMark, nil); err != nil {
		t.Error(err)
	}
	if err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "spreed", Remove: true}}); err != nil {
		t.Error(err)
	}
	if after := f.store.Journal.Appends.Load(); after != before {
		t.Errorf("%d entries were appended", after-before)
	}
}

func TestProtocolsAreDistinctAndNamed(t *testing.T) {
	for name, protocols := range map[string][]domain.Protocol{"twice": {web}, "nameless": {{}}} {
		if _, err := app.NewPresence(coretest.Start(t).Core, &fixedClock{}, []domain.ClientProtocol{spreed}, protocols); err == nil {
			t.Errorf("a protocol that is %s is accepted", name)
		}
	}
	if _, err := app.NewPresence(coretest.Start(t).Core, &fixedClock{}, []domain.ClientProtocol{spreed, spreed}, nil); err == nil {
		t.Error("an updatable protocol that is there twice is accepted")
	}
}
