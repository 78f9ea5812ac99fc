package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

const (
	bert domain.UserID = "bert@example.test"
	cleo domain.UserID = "cleo@example.test"
	crm  domain.UserID = "crm@example.test" // a service in auth.see_invisible
)

// rules makes rules of lines such as "* self all".
func rules(t *testing.T, lines ...string) *domain.Visibility {
	t.Helper()
	var list []domain.VisibilityRule
	for _, line := range lines {
		words := strings.Fields(line)
		list = append(list, domain.VisibilityRule{Viewer: words[0], User: words[1], Sees: words[2]})
	}
	seeInvisible, err := domain.ParseUserList([]string{string(crm)})
	if err != nil {
		t.Fatal(err)
	}
	v, err := domain.NewVisibility(list, seeInvisible)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// viewing is a fixture in which bert sees the status of mark, cleo nothing, and everybody else all.
func viewing(t *testing.T) *fixture {
	t.Helper()
	f := newManualFixture(t)
	f.store.Sights.Configure(rules(t, "bert@example.test markd@zarafa.com status", "cleo@example.test markd@zarafa.com nothing", "* * all"))
	return f
}

// hide makes mark invisible for a while.
func (f *fixture) hide(t *testing.T, lasting time.Duration) {
	t.Helper()
	err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "manual", Status: "busy", Invisible: true, Until: f.clock.now.Add(lasting)}})
	if err != nil {
		t.Fatal(err)
	}
}

// seen renders what each of four viewers is shown of mark: revision, status, and how many protocols.
func seen(t *testing.T, feed ports.Feed) string {
	t.Helper()
	var parts []string
	for _, by := range []domain.Principal{asMark, {User: crm, Service: true}, {User: anna}, {User: bert}, {User: cleo}} {
		states, _, err := feed.States(by, []string{string(mark)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		account, _ := by.User.Split()
		parts = append(parts, fmt.Sprintf("%s: %d %s %d", account, states[0].Revision, states[0].Unified.Status, len(states[0].Presences)))
	}
	return strings.Join(parts, ", ")
}

// changed renders the users that Changed returns to a viewer.
func changed(t *testing.T, feed ports.Feed, by domain.Principal, since domain.Revision) string {
	t.Helper()
	states, err := feed.Changed(t.Context(), by, since)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, state := range states {
		account, _ := state.User.Split()
		parts = append(parts, fmt.Sprintf("%s %d", account, state.Revision))
	}
	return strings.Join(parts, ", ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

// TestEachViewerHasAnotherFeed: states, revisions and changes go by what the viewer sees.
func TestEachViewerHasAnotherFeed(t *testing.T) {
	f := viewing(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch")     // 1
	f.observe(t, anna, domain.Available, "")     // 2
	f.observe(t, mark, domain.Away, "coffee")    // 3: bert cannot see that
	f.set(t, mark, "unavailable", "not meeting") // 4: nor that
	want(t, "states", seen(t, feed), "markd: 4 away 2, crm: 4 away 2, anna: 4 away 2, bert: 1 away 0, cleo: 0 unavailable 0")
	for by, told := range map[domain.UserID]string{anna: "anna 2, markd 4", bert: "markd 1, anna 2", cleo: "anna 2"} {
		want(t, string(by)+" from the beginning", changed(t, feed, domain.Principal{User: by}, 0), told)
	}
	for by, told := range map[domain.UserID]string{anna: "markd 4", bert: "", cleo: ""} {
		want(t, string(by)+" since 3", changed(t, feed, domain.Principal{User: by}, 3), told)
	}
	f.set(t, mark, "busy", "") // 5
	want(t, "states", seen(t, feed), "markd: 5 busy 2, crm: 5 busy 2, anna: 5 busy 2, bert: 5 busy 0, cleo: 0 unavailable 0")
	f.remove(t, mark) // 6
	want(t, "bert since 5, after a removal that changes no status", changed(t, feed, domain.Principal{User: bert}, 5), "")
	want(t, "anna since 5, after a removal", changed(t, feed, domain.Principal{User: anna}, 5), "markd 6")
}

// TestRemovedUsers: of a user who was removed each viewer is told what it has seen.
func TestRemovedUsers(t *testing.T) {
	f := viewing(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch") // 1
	f.remove(t, mark)                        // 2
	want(t, "states", seen(t, feed), "markd: 2 unavailable 0, crm: 2 unavailable 0, anna: 2 unavailable 0, bert: 2 unavailable 0, cleo: 0 unavailable 0")
	for by, told := range map[domain.UserID]string{anna: "markd 2", bert: "markd 2", cleo: ""} {
		want(t, string(by), changed(t, feed, domain.Principal{User: by}, 1), told)
	}
	f.hide(t, time.Minute) // 3
	want(t, "invisible", seen(t, feed), "markd: 3 busy 1, crm: 3 busy 1, anna: 2 unavailable 0, bert: 2 unavailable 0, cleo: 0 unavailable 0")
	for by, told := range map[domain.UserID]string{mark: "markd 3", anna: "", bert: "", cleo: ""} {
		want(t, string(by)+" of everybody", changed(t, feed, domain.Principal{User: by}, 0), told)
	}
}

// TestInvisibleInTheFeed: others are told when it begins, and when it ends.
func TestInvisibleInTheFeed(t *testing.T) {
	f := viewing(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch") // 1
	if feed.Unrestricted() {
		t.Error("with rules everybody sees the same")
	}
	f.hide(t, time.Minute)                    // 2
	f.observe(t, mark, domain.Busy, "hidden") // 3
	const others = "anna: 2 unavailable 1, bert: 2 unavailable 0, cleo: 0 unavailable 0"
	want(t, "invisible", seen(t, feed), "markd: 3 busy 2, crm: 3 busy 2, "+others)
	want(t, "by the original API", f.says(t, string(mark)), "xmpp=unavailable")
	f.clock.now = f.clock.now.Add(time.Minute)
	want(t, "at the last moment", seen(t, feed), "markd: 3 busy 2, crm: 3 busy 2, "+others)
	f.clock.now++
	want(t, "after it", seen(t, feed), "markd: 3 busy 1, crm: 3 busy 1, anna: 2 busy 1, bert: 2 busy 0, cleo: 0 unavailable 0")
	want(t, "by the original API", f.says(t, string(mark)), "xmpp=busy hidden")
}

// TestUnrestricted: without rules everybody sees the same, unless somebody is invisible.
func TestUnrestricted(t *testing.T) {
	f := newManualFixture(t)
	feed := f.feed()
	if !feed.Unrestricted() {
		t.Error("without rules not everybody sees the same")
	}
	f.hide(t, time.Minute)
	if feed.Unrestricted() {
		t.Error("while mark is invisible everybody sees the same")
	}
	if err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "manual", Remove: true}}); err != nil {
		t.Fatal(err)
	}
	if !feed.Unrestricted() {
		t.Error("when mark is visible again not everybody sees the same")
	}
}

// TestOtherRules: who goes on from a revision of before is told everything anew; and a query goes by the rules of now.
func TestOtherRules(t *testing.T) {
	f := newManualFixture(t)
	feed := f.feed()
	f.observe(t, mark, domain.Away, "lunch") // 1
	f.observe(t, anna, domain.Away, "")      // 2
	asAnna := domain.Principal{User: anna}
	if _, forgotten, _ := feed.States(asAnna, []string{string(mark)}, nil); forgotten != 0 {
		t.Errorf("before, up to %d is forgotten", forgotten)
	}
	f.store.Sights.Configure(rules(t, "anna@example.test markd@zarafa.com nothing", "* * all"))
	feed.Anew()
	states, forgotten, err := feed.States(asAnna, []string{string(mark)}, nil)
	if err != nil || !states[0].ChangedSince(2, forgotten) || states[0].Revision != 0 {
		t.Errorf("%+v, forgotten up to %d, %v", states[0], forgotten, err)
	}
	want(t, "since 2", changed(t, feed, asAnna, 2), ports.ErrCompacted.Error())
	want(t, "from the beginning", changed(t, feed, asAnna, 0), "anna 2")
	f.observe(t, anna, domain.Busy, "") // 3
	want(t, "since 3", changed(t, feed, asAnna, 3), "")
	for _, ids := range [][]string{{string(mark)}, {string(mark), string(anna)}} {
		if answers, err := f.Query(asAnna, ids, nil); err != nil || answers[0] != nil {
			t.Errorf("Query(%v) = %v, %v", ids, answers, err)
		}
	}
}

// TestInvisibleThatCannotBe is refused, and names why.
func TestInvisibleThatCannotBe(t *testing.T) {
	f := newManualFixture(t)
	for protocol, until := range map[string]domain.Timestamp{"manual": 0, "spreed": start + 1, "xmpp": start + 1} {
		err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: protocol, Status: "busy", Invisible: true, Until: until}})
		var problems domain.Problems
		if !errors.As(err, &problems) || !errors.Is(err, domain.ErrInvisible) || problems[0].Field != domain.FieldInvisible {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	err := f.Update(t.Context(), asMark, []domain.Update{{User: string(mark), Protocol: "manual", Status: "busy", Invisible: true, Until: start - 1}})
	if !errors.Is(err, domain.ErrInvalidUntil) {
		t.Errorf("an end that has passed: %v", err)
	}
}

// TestEndOfInvisibilityIsToldOnce: the expirer writes it, at its end.
func TestEndOfInvisibilityIsToldOnce(t *testing.T) {
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		feed := app.NewFeed(store.Core, store.Clock, domain.Precedence{})
		following := feed.Follow()
		defer following.Close()
		update := domain.Update{User: string(mark), Protocol: "manual", Status: "busy", Invisible: true, Until: store.Clock.Now().Add(time.Minute)}
		if err := store.Presence.Update(t.Context(), asMark, []domain.Update{update}); err != nil {
			t.Fatal(err)
		}
		var invisible []bool
		for range 2 {
			states, _, err := following.Next(t.Context())
			if err != nil || len(states) != 1 {
				t.Fatalf("%+v, %v", states, err)
			}
			invisible = append(invisible, states[0].Invisible)
		}
		synctest.Wait()
		if now := store.Clock.Now(); !invisible[0] || invisible[1] || now <= update.Until || now > update.Until.Add(time.Second) || store.AnyInvisible() {
			t.Errorf("told %v, the last at %s; its end was %s", invisible, now, update.Until)
		}
	})
}

// TestExportByViewer: an export leaves out users if the viewer may not see all about them. Whoever has the files gets everything.
func TestExportByViewer(t *testing.T) {
	f := viewing(t)
	f.observe(t, mark, domain.Away, "lunch")
	f.observe(t, anna, domain.Away, "")
	f.hide(t, time.Minute)
	backup := app.NewBackup(f.store.Core, f.clock, nil)
	for _, test := range []struct {
		by   domain.Principal
		want string
	}{
		{domain.Principal{User: bert, Service: true}, "anna xmpp=away"},
		{domain.Principal{User: cleo, Service: true}, "anna xmpp=away"},
		{domain.Principal{User: "erp@example.test", Service: true}, "anna xmpp=away, markd xmpp=unavailable"},
		{domain.Principal{User: crm, Service: true}, "anna xmpp=away, markd manual=busy invisible, markd xmpp=away lunch"},
		{domain.Principal{Local: true}, "anna xmpp=away, markd manual=busy invisible, markd xmpp=away lunch"},
	} {
		var parts []string
		err := backup.Export(t.Context(), test.by, func(user domain.UserID, p domain.Presence) error {
			account, _ := user.Split()
			text := account + " " + render(domain.Presences{p})
			if p.Invisible {
				text += " invisible"
			}
			parts = append(parts, text)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want(t, string(test.by.User), strings.Join(parts, ", "), test.want)
	}
}

// TestImportTellsNothing: how many presences were written does not say what the service does not see.
func TestImportTellsNothing(t *testing.T) {
	for _, known := range []bool{false, true} {
		f := viewing(t)
		backup := app.NewBackup(f.store.Core, f.clock, nil)
		f.observe(t, anna, domain.Away, "")
		if known {
			f.observe(t, mark, domain.Away, "lunch")
		}
		older := domain.Presence{Protocol: chat, Updated: start - 1, Since: start - 1}
		for by, want := range map[domain.UserID]int{bert: 1, cleo: 1} {
			written, err := backup.Import(t.Context(), domain.Principal{User: by, Service: true}, []domain.Change{{User: mark, Presence: older}, {User: anna, Presence: older}})
			if err != nil || written != want {
				t.Errorf("%s, known %t: %d, %v; want %d", by, known, written, err, want)
			}
			if !known {
				f.remove(t, mark)
			}
		}
		if kept, _ := f.store.Presences(mark).On(chat); known && kept.Message != "lunch" {
			t.Errorf("something older was written: %+v", kept)
		}
	}
}
