package events_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/domain"
)

// regroup puts other users into groups, and tells their followers.
func (w *world) regroup(records ...domain.Identity) {
	w.t.Helper()
	table, err := domain.NewIdentities(records)
	if err != nil {
		w.t.Fatal(err)
	}
	before := w.core.Identities.Table()
	w.core.Identities.Replace(table)
	w.core.Directory.Regroup()
	w.hub.Regroup(table.Regrouped(before))
}

var (
	zoeHelps   = domain.Identity{User: "zoe@example.test", Groups: []string{"helpdesk"}}
	annHelps   = domain.Identity{User: "ann@example.test", Groups: []string{"helpdesk", "sales"}}
	phonesHelp = domain.Identity{User: "u{number}@example.test", Groups: []string{"helpdesk"}}
)

// tells checks which events come next: the users of presence events, and other events by their names.
func tells(t *testing.T, r *reader, want ...string) {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	var got []string
	for len(got) < len(want) {
		e, err := r.take()
		if err != nil {
			t.Fatalf("after %v, waiting for %v: %v", got, want, err)
		}
		switch e.name {
		case "presence":
			_, rest, _ := strings.Cut(e.data, `{"user":"`)
			user, _, _ := strings.Cut(rest, "@")
			got = append(got, user)
		case "retry", "":
		default:
			got = append(got, e.name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the events are %v, want %v", got, want)
	}
}

// A stream about a group tells of its members of each moment, and after a change of the groups everything anew.
func TestGroups(t *testing.T) {
	w := newWorld(t)
	w.regroup(zoeHelps, annHelps, phonesHelp)
	w.set("zoe@example.test", xmpp, domain.Away, "", 0)
	w.set("u1@example.test", xmpp, domain.Away, "", 0)
	r := w.subscribe(events.Subscription{Groups: []string{"helpdesk", "sales"}, Users: []domain.UserID{"zoe@example.test", "bob@example.test"}}, false)
	tells(t, r, "ann", "bob", "zoe", "u1", "ready") // who is not known first, the others in the order of their revisions

	w.set("u2@example.test", xmpp, domain.Busy, "has become known", 0)
	w.set("x2@example.test", xmpp, domain.Busy, "is in no group", 0)
	w.set("ann@example.test", xmpp, domain.Busy, "is in two groups", 0)
	w.set("zoe@example.test", xmpp, domain.Busy, "is named, too", 0)
	w.remove("u1@example.test", xmpp)
	tells(t, r, "u2", "ann", "zoe", "u1")

	w.regroup(domain.Identity{User: "carl@example.test", Groups: []string{"helpdesk"}}, annHelps)
	tells(t, r, "reset", "bob", "carl", "ann", "zoe", "ready")
	w.set("u2@example.test", xmpp, domain.Away, "has left the group", 0)
	w.set("carl@example.test", xmpp, domain.Away, "has come", 0)
	tells(t, r, "carl")

	w.regroup() // there is no such group any more
	tells(t, r, "reset", "bob", "zoe", "ready")
	w.set("ann@example.test", xmpp, domain.Away, "has left the group", 0)
	w.set("bob@example.test", xmpp, domain.Away, "", 0)
	tells(t, r, "bob")
	w.regroup(annHelps)
	tells(t, r, "reset", "zoe", "ann", "bob", "ready")
}

// When the members of a group are others, only the streams about this group begin anew, and those of keys, which may ask about other users now, perhaps.
func TestOtherStreamsGoOn(t *testing.T) {
	w := newWorld(t)
	w.regroup(zoeHelps, annHelps)
	users, err := domain.ParseUserList([]string{"*@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	sales, helpdesk := w.subscribe(events.Subscription{Groups: []string{"sales"}}, false), w.subscribe(events.Subscription{Groups: []string{"helpdesk"}}, false)
	key := w.subscribe(events.Subscription{By: domain.Principal{Key: &domain.Key{Users: users, Read: true}}, Groups: []string{"helpdesk"}}, false)
	listed, all := w.subscribe(events.Subscription{Users: []domain.UserID{"ann@example.test"}}, false), w.everybody()
	tells(t, sales, "ann", "ready")
	tells(t, helpdesk, "ann", "zoe", "ready")
	tells(t, key, "ann", "zoe", "ready")
	tells(t, listed, "ann", "ready")
	tells(t, all, "ready")

	w.regroup(zoeHelps, annHelps, domain.Identity{User: "carl@example.test", Groups: []string{"sales"}})
	tells(t, sales, "reset", "ann", "carl", "ready")
	tells(t, key, "reset", "ann", "zoe", "ready")
	w.set("ann@example.test", xmpp, domain.Away, "", 0)
	for _, r := range []*reader{sales, helpdesk, key, listed, all} {
		tells(t, r, "ann")
	}
}

// Who comes back is told who has come, who is not known any more, and everything anew if the groups were changed meanwhile.
func TestBackToGroups(t *testing.T) {
	for name, recent := range map[string]int{"few changes are remembered": 1, "all are": 1000} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(s *events.Settings) { s.Recent = recent })
			w.everybody().until(t, "ready") // from now on the hub remembers
			w.regroup(annHelps, phonesHelp)
			w.set("u1@example.test", xmpp, domain.Away, "", 0)
			back := func(since domain.Revision) *reader {
				w.eventually("the hub has told everything", func() bool { return w.hub.Head() == w.core.Revision() })
				return w.subscribe(events.Subscription{Groups: []string{"helpdesk"}, Since: since}, false)
			}
			tells(t, back(0), "ann", "u1", "ready")
			w.set("u1@example.test", xmpp, domain.Busy, "", 0)
			first := w.core.Revision()

			w.set("x1@example.test", xmpp, domain.Away, "is in no group", 0)
			w.set("u2@example.test", xmpp, domain.Away, "has come", 0)
			w.remove("u1@example.test", xmpp)
			second := w.core.Revision()
			tells(t, back(first), "u2", "u1", "ready")
			tells(t, back(second), "ready")

			w.regroup(annHelps, domain.Identity{User: "x1@example.test", Groups: []string{"helpdesk"}})
			tells(t, back(second), "reset", "ann", "x1", "ready")
			w.set("x1@example.test", xmpp, domain.Busy, "", 0)
			tells(t, back(w.core.Revision()), "ready")
		})
	}
}

// Whoever comes back to a daemon that has been started anew may have known other groups.
func TestBackToOtherGroups(t *testing.T) {
	w := newWorld(t)
	w.set("ann@example.test", xmpp, domain.Away, "", 0)
	w.regroup(annHelps)
	tells(t, w.subscribe(events.Subscription{Groups: []string{"helpdesk"}, Since: w.core.Revision()}, false), "reset", "ann", "ready")
	w.set("ann@example.test", xmpp, domain.Busy, "", 0)
	tells(t, w.subscribe(events.Subscription{Groups: []string{"helpdesk"}, Since: w.core.Revision()}, false), "ready")
}

// A key is told of the members that it lists.
func TestGroupsForKey(t *testing.T) {
	w := newWorld(t)
	w.regroup(zoeHelps, annHelps)
	users, err := domain.ParseUserList([]string{"zoe@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	key := domain.Principal{Key: &domain.Key{Users: users, Read: true}}
	r := w.subscribe(events.Subscription{By: key, Groups: []string{"helpdesk"}}, false)
	tells(t, r, "zoe", "ready")
	w.set("ann@example.test", xmpp, domain.Away, "", 0)
	w.set("zoe@example.test", xmpp, domain.Away, "", 0)
	tells(t, r, "zoe")
	tells(t, w.subscribe(events.Subscription{By: key, Groups: []string{"helpdesk"}, Since: w.core.Revision() - 1}, false), "zoe", "ready")
}
