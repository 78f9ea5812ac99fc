package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/domain"
)

const markd = domain.UserID("markd@zarafa.com")

// as subscribes to some users as one of them.
func (w *world) as(by domain.UserID, since domain.Revision, users ...domain.UserID) *reader {
	return w.subscribe(events.Subscription{By: principal(by), Users: users, Since: since}, false)
}

func principal(user domain.UserID) domain.Principal {
	return domain.Principal{User: user, Until: clock.New().Now().Add(time.Hour)}
}

// hide makes a user invisible.
func (w *world) hide(user domain.UserID, holds time.Duration) {
	w.core.Change(w.t, user, domain.MustProtocol("manual"), func(old domain.Presence, now domain.Timestamp) domain.Presence {
		next := old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true}, now).HoldUntil(now.Add(holds))
		next.Invisible = true
		return next
	})
}

// Who sees the status alone is told changes of the status, and nothing of a message; who sees nothing is told nothing. What comes next shows it.
func TestEventsBySight(t *testing.T) {
	w := newWorld(t)
	w.obey([3]string{"anna@example.test", "kim@example.test", "status"}, [3]string{"*", "alice@example.test", "all"})
	w.set(kim, spreed, domain.Busy, "in a meeting", 0)
	friend, stranger, own := w.as("anna@example.test", 0, kim, alice), w.as("bea@example.test", 0, kim, alice), w.as(kim, 0, kim, alice)
	for _, r := range []*reader{friend, stranger, own} {
		r.until(t, "ready")
	}
	for _, change := range []func(){
		func() { w.set(kim, spreed, domain.Busy, "still in a meeting", 0) },
		func() { w.set(kim, spreed, domain.Away, "", 0) },
		func() { w.set(alice, spreed, domain.Away, "", 0) },
		func() { w.set(kim, spreed, domain.Away, "at lunch", 0) },
		func() { w.set(alice, spreed, domain.Busy, "", 0) },
	} {
		change()
		w.told()
	}
	for r, want := range map[*reader]string{
		friend:   "3 kim away, 4 alice away, 6 alice busy",
		stranger: "4 alice away, 6 alice busy",
		own:      "2 kim busy still in a meeting, 3 kim away, 4 alice away, 5 kim away at lunch, 6 alice busy",
	} {
		if got := r.tells(t, 6); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	}
}

// told returns when the hub has given the last change to the subscribers: else they may be told of several changes at once.
func (w *world) told() {
	w.t.Helper()
	w.eventually("the hub has told everything", func() bool { return w.hub.Head() == w.core.Revision() })
}

// A user was invisible, and others saw no change: the user has two revisions, even without rules.
func TestInvisibilityThatNobodyHasSeen(t *testing.T) {
	w := newWorld(t)
	w.set(kim, spreed, domain.Unavailable, "", 0)
	stranger, own := w.as(alice, 0, kim, alice), w.as(kim, 0, kim, alice)
	stranger.until(t, "ready")
	own.until(t, "ready")
	w.hide(kim, time.Hour)
	w.told()
	w.remove(kim, domain.MustProtocol("manual"))
	w.told()
	w.set(alice, spreed, domain.Busy, "", 0)
	w.told()
	if got, want := stranger.tells(t, 4), "4 alice busy"; got != want {
		t.Errorf("a stranger is told %s, want %s", got, want)
	}
	if got, want := own.tells(t, 4), "2 kim busy, 3 kim unavailable, 4 alice busy"; got != want {
		t.Errorf("kim is told %s, want %s", got, want)
	}
	for by, want := range map[domain.UserID]string{alice: "1 kim unavailable, 4 alice busy", kim: "3 kim unavailable, 4 alice busy"} {
		for range 2 { // whose snapshots are not for the other
			all := w.subscribe(events.Subscription{By: principal(by), All: true}, false)
			if got := all.tells(t, 4); got != want {
				t.Errorf("%s, who follows everybody, is told %s, want %s", by, got, want)
			}
		}
	}
}

// tells reads up to a revision, and returns the states in short.
func (r *reader) tells(t *testing.T, upTo domain.Revision) string {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	var told []string
	for r.id < upTo {
		e, err := r.take()
		if err != nil {
			t.Fatal(err)
		}
		if e.name == "presence" {
			told = append(told, e.short(t))
		}
	}
	return strings.Join(told, ", ")
}

// Who is invisible seems to have reported unavailable. What happens meanwhile makes no event, and what is there in the end makes one.
func TestEventsOfWhoIsInvisible(t *testing.T) {
	w := newWorld(t)
	w.set(kim, spreed, domain.Busy, "in a meeting", 0)
	stranger, own := w.as(alice, 0, kim, alice), w.as(kim, 0, kim, alice)
	stranger.until(t, "ready")
	own.until(t, "ready")
	for _, change := range []func(){
		func() { w.hide(kim, time.Hour) },
		func() { w.set(kim, spreed, domain.Away, "at lunch", 0) },
		func() { w.set(kim, xmpp, domain.Available, "", 0) },
		func() { w.remove(kim, xmpp) },
		func() { w.remove(kim, domain.MustProtocol("manual")) },
		func() { w.set(alice, spreed, domain.Busy, "", 0) },
	} {
		change()
		w.told()
	}
	if got, want := stranger.tells(t, 7), "2 kim unavailable, 6 kim away at lunch, 7 alice busy"; got != want {
		t.Errorf("a stranger is told %s\nwant %s", got, want)
	}
	if got, want := own.tells(t, 7), "2 kim busy, 3 kim busy, 4 kim busy, 5 kim busy, 6 kim away at lunch, 7 alice busy"; got != want {
		t.Errorf("kim is told %s\nwant %s", got, want)
	}
}

// A stream that resumes is told what has changed for this viewer, also if it has left off as another one who sees more.
func TestResumeTellsNoMoreThanTheViewerSees(t *testing.T) {
	for _, recent := range []int{4, 1 << 14} { // less than what changes, or more
		w := newWorld(t, func(s *events.Settings) { s.Recent = recent })
		w.obey([3]string{"anna@example.test", "kim@example.test", "status"}, [3]string{"*", "alice@example.test", "all"})
		w.set(kim, spreed, domain.Busy, "", 0)
		w.set(alice, spreed, domain.Away, "", 0)
		w.everybody().until(t, "ready") // from here on changes are remembered
		w.set(kim, spreed, domain.Away, "", 0)
		for range 20 {
			w.set(kim, spreed, domain.Away, "at lunch", 0)
			w.set(kim, spreed, domain.Away, "back soon", 0)
		}
		w.set(alice, spreed, domain.Busy, "", 0)
		head := w.core.Feed.Revision()
		for since, want := range map[domain.Revision]string{
			1: "2 alice away, 3 kim away, 44 alice busy",
			2: "3 kim away, 44 alice busy",
			3: "44 alice busy",
		} {
			if since == 1 {
				want = "3 kim away, 44 alice busy" // 2 was the last change of alice until then
			}
			if got := w.as("anna@example.test", since, kim, alice).tells(t, head); got != want {
				t.Errorf("of %d remembered, since %d anna is told %s\nwant %s", recent, since, got, want)
			}
			want = "44 alice busy"
			if got := w.as("bea@example.test", since, kim, alice).tells(t, head); got != want {
				t.Errorf("of %d remembered, since %d bea is told %s\nwant %s", recent, since, got, want)
			}
		}
	}
}

// When the rules change every stream is told everything anew, and who is hidden now is unknown. So is a client that comes back later.
func TestRulesChange(t *testing.T) {
	w := newWorld(t)
	w.set(kim, spreed, domain.Busy, "in a meeting", 0)
	w.set(alice, spreed, domain.Away, "", 0)
	r := w.as(markd, 0, kim, alice)
	r.until(t, "ready")
	left := w.as(markd, 0, kim, alice)
	left.until(t, "ready")
	_ = left.Close()
	for _, step := range []struct {
		rules [][3]string
		want  string
	}{
		{[][3]string{{"*", "alice@example.test", "status"}}, "0 kim unavailable, 2 alice away"},
		{[][3]string{{"*", "kim@example.test", "all"}}, "0 alice unavailable, 1 kim busy in a meeting"},
		{nil, "1 kim busy in a meeting, 2 alice away"},
	} {
		w.obey(step.rules...)
		back := w.as(markd, 2, kim, alice)
		for name, r := range map[string]*reader{"a stream": r, "a client that comes back": back} {
			r.until(t, "reset")
			if got := r.tells(t, 2); got != step.want {
				t.Errorf("%v: %s is told %s, want %s", step.rules, name, got, step.want)
			}
		}
	}
}

// Somebody who becomes a service, or is none any more, is told everything anew, as that one sees it.
func TestServiceIsNoneAnyMore(t *testing.T) {
	w := newWorld(t)
	w.obey([3]string{"service", "*", "all"}, [3]string{"*", "*", "status"})
	w.set(kim, spreed, domain.Busy, "in a meeting", 0)
	by := principal(markd)
	by.Service = true
	r := w.subscribe(events.Subscription{Users: []domain.UserID{kim}, By: by, Entitled: func() (domain.Principal, error) { return principal(markd), nil }}, false)
	r.until(t, "reset") // it was none by the time it began
	if got := r.tells(t, 1); got != "1 kim busy" {
		t.Errorf("it is told %s", got)
	}
}
