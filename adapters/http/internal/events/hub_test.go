package events_test

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/domain"
)

const (
	mark  = domain.UserID("markd@zarafa.com")
	alice = domain.UserID("alice@example.test")
	kim   = domain.UserID("kim@example.test")
)

// holds checks what a reader holds.
func (w *world) holds(r *reader, users ...domain.UserID) {
	w.t.Helper()
	if want := w.stored(users...); !maps.Equal(r.held, want) {
		w.t.Errorf("the reader holds %+v, stored is %+v", r.held, want)
	}
}

func TestStream(t *testing.T) {
	w := newWorld(t)
	w.set(mark, spreed, domain.Busy, "in a meeting", 0)
	w.set(alice, xmpp, domain.Away, "", 0)
	r := w.subscribe(events.Subscription{Head: []byte("event: head\n\n"), Users: []domain.UserID{alice, kim, mark}}, false)
	want := []event{
		{name: "head"},
		{name: "retry"},
		{name: "presence", data: `{"user":"kim@example.test","status":"unavailable","message":"","activity":null,"by":null,"reason":"unknown","rule":null,"since":null,"idle_since":null,"next":null,"stale":false,"revision":0,"display_name":null,"protocols":{}}`},
		{name: "presence", id: 1, hasID: true},
		{name: "presence", id: 2, hasID: true},
		{name: "ready", id: 2, hasID: true, data: `{"revision":2}`},
	}
	for _, want := range want {
		got, err := r.take()
		if want.data == "" {
			got.data = ""
		}
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	}
	w.holds(r, mark, alice, kim)
	w.set(kim, xmpp, domain.Available, "back", 0)
	w.set("somebody@example.test", xmpp, domain.Available, "", 0)
	if got := r.until(t, "presence"); got.id != 3 {
		t.Errorf("got %+v", got)
	}
	w.remove(mark, spreed)
	if got := r.until(t, "presence"); got.id != 5 {
		t.Errorf("got %+v", got)
	}
	w.holds(r, mark, alice, kim)
	_ = r.Close()
	w.set(mark, spreed, domain.Away, "", 0)
	again := w.subscribe(events.Subscription{Users: []domain.UserID{alice, kim, mark}, Since: r.id}, false)
	again.held, again.id, again.told = r.held, r.id, r.told
	again.until(t, "ready")
	if again.count != 1 { // what it had already is not repeated
		t.Errorf("whoever comes back is told %d states, want 1", again.count)
	}
	w.holds(again, mark, alice, kim)
}

func TestHeartbeatTellsHowFarItIs(t *testing.T) {
	w := newWorld(t)
	r := w.list(mark)
	r.until(t, "ready")
	w.set(alice, xmpp, domain.Available, "", 0)
	if e := r.until(t, ""); !e.hasID || e.id > 1 || e.data != "" {
		t.Errorf("a heartbeat is %+v", e)
	}
	r.upTo(t, 1) // though nothing has happened to mark
	if r.count != 1 {
		t.Errorf("%d states", r.count)
	}
}

// TestEverybody: a subscriber to everybody is told of users it has not heard of, and that somebody is not known any more.
func TestEverybody(t *testing.T) {
	w := newWorld(t)
	w.set(mark, spreed, domain.Busy, "", 0)
	r := w.everybody()
	r.until(t, "ready")
	w.set(alice, xmpp, domain.Busy, "", 0)
	w.remove(mark, spreed)
	r.upTo(t, 3)
	w.holds(r, mark, alice)
}

// TestSlowReader has readers stop for a while, during which others are told as always. They are not dropped, and are told the latest
// and little more than what was on its way to them when they stopped.
func TestSlowReader(t *testing.T) {
	for _, all := range []bool{true, false} {
		for _, recent := range []int{64, 1 << 14} { // less than what changes, or more
			t.Run(fmt.Sprintf("all %v recent %d", all, recent), func(t *testing.T) {
				w := newWorld(t, func(s *events.Settings) { s.Recent, s.Heartbeat = recent, 10*time.Second })
				var users []domain.UserID
				for i := range 10 {
					users = append(users, domain.UserID(fmt.Sprintf("user%d@example.test", i)))
				}
				slow := w.subscribe(events.Subscription{All: all, Users: users}, true)
				quick := w.subscribe(events.Subscription{All: all, Users: users}, false)
				slow.until(t, "ready")
				quick.until(t, "ready")
				const changes = 400
				for i := range changes {
					w.set(users[i%len(users)], xmpp, domain.Away, fmt.Sprintf("%d %s", i, strings.Repeat("x", 4000)), 0)
					quick.upTo(t, domain.Revision(i+1)) // at once
				}
				slow.upTo(t, changes)
				w.holds(quick, users...)
				w.holds(slow, users...)
				if slow.count > changes/2 {
					t.Errorf("who did not read was told %d states, all that others were", slow.count)
				}
			})
		}
	}
}

// TestStalledReaderTakesLittleMemory: for a reader with many users who does not read, no more changes are kept than a few hundred.
func TestStalledReaderTakesLittleMemory(t *testing.T) {
	w := newWorld(t)
	var users []domain.UserID
	for i := range 2000 {
		users = append(users, domain.UserID(fmt.Sprintf("user%04d@example.test", i)))
	}
	slow := w.subscribe(events.Subscription{Users: users}, true)
	for round := range 3 {
		for i, user := range users {
			w.set(user, xmpp, domain.Away, fmt.Sprintf("%d %d %s", round, i, strings.Repeat("x", 300)), 0)
		}
	}
	slow.upTo(t, w.core.Feed.Revision())
	w.holds(slow, users...)
}

// TestStalledSnapshot has a reader stall in the middle of the snapshot; what changes meanwhile is not told twice.
func TestStalledSnapshot(t *testing.T) {
	w := newWorld(t)
	var users []domain.UserID
	for i := range 300 {
		users = append(users, domain.UserID(fmt.Sprintf("user%04d@example.test", i)))
		w.set(users[i], xmpp, domain.Away, strings.Repeat("x", 4000), 0)
	}
	for _, all := range []bool{true, false} {
		slow := w.subscribe(events.Subscription{All: all, Users: users}, true)
		if e, err := slow.take(); err != nil || e.name != "retry" {
			t.Fatal(e, err)
		}
		w.eventually("the hub has begun", func() bool { return w.hub.Count().Streams > 0 })
		for _, user := range users {
			w.set(user, xmpp, domain.Available, strings.Repeat("y", 4000), 0)
		}
		slow.upTo(t, w.core.Feed.Revision())
		w.holds(slow, users...)
		if slow.count >= 2*len(users) {
			t.Errorf("%d states of %d users: what was out of date was told as well", slow.count, len(users))
		}
	}
}

func TestBackFromAnotherLife(t *testing.T) {
	w := newWorld(t, func(s *events.Settings) { s.CatchUpTimeout = 50 * time.Millisecond })
	w.set(mark, spreed, domain.Busy, "", 0)
	for name, s := range map[string]events.Subscription{
		"a revision that is to come": {Users: []domain.UserID{mark}, Since: 1000},
		"the same, of everybody":     {All: true, Since: 1000},
		"what is no revision":        {Users: []domain.UserID{mark}, Lost: true},
	} {
		r := w.subscribe(s, false)
		r.held[mark], r.held[alice] = held{revision: 900}, held{revision: 1000}
		r.id = s.Since
		r.until(t, "reset")
		r.until(t, "ready")
		if want := w.stored(mark); !maps.Equal(r.held, want) {
			t.Errorf("%s: the reader holds %+v", name, r.held)
		}
	}
}

// TestBackFromAnotherDaemon knows of a change that this daemon hears of a moment later.
func TestBackFromAnotherDaemon(t *testing.T) {
	w := newWorld(t)
	w.set(mark, spreed, domain.Busy, "", 0)
	w.everybody().until(t, "ready")
	r := w.subscribe(events.Subscription{Users: []domain.UserID{mark}, Since: 2}, false)
	time.AfterFunc(50*time.Millisecond, func() { w.set(mark, spreed, domain.Away, "", 0) })
	_ = r.SetReadDeadline(time.Now().Add(patience))
	for {
		e, err := r.take()
		if err != nil || e.name == "reset" || e.name == "presence" {
			t.Fatalf("got %+v, %v", e, err)
		}
		if e.name == "ready" {
			if e.id != 2 {
				t.Errorf("ready at %d, want 2", e.id)
			}
			break
		}
	}
}

// TestBackTooLate comes back when what was removed since is forgotten.
func TestBackTooLate(t *testing.T) {
	for _, all := range []bool{true, false} {
		w := newWorld(t)
		w.set(mark, spreed, domain.Busy, "", 0)
		w.set(alice, spreed, domain.Busy, "", 0)
		w.remove(mark, spreed)
		w.set(alice, spreed, domain.Away, "", 0)
		w.compact()
		r := w.subscribe(events.Subscription{All: all, Users: []domain.UserID{mark, alice}, Since: 2}, false)
		r.held = map[domain.UserID]held{mark: {revision: 1}, alice: {revision: 2}}
		r.id = 2
		r.until(t, "reset")
		r.until(t, "ready")
		if len(r.held) == 0 || r.held[alice] != w.stored(alice)[alice] || r.held[mark].revision == 1 {
			t.Errorf("the reader holds %+v", r.held)
		}
	}
}

// TestFeedResumes: every state is told anew, although nothing has changed, because some may have been stale while the journal could not be followed.
func TestFeedResumes(t *testing.T) {
	w := newWorld(t)
	w.set(mark, spreed, domain.Busy, "", 0)
	all, list := w.everybody(), w.list(mark, alice)
	for _, r := range []*reader{all, list} {
		r.until(t, "ready")
	}
	w.resume()
	for _, r := range []*reader{all, list} {
		r.until(t, "reset")
		for told := false; !told; _, told = r.held[mark] {
			r.until(t, "presence")
		}
		if r.held[mark] != w.stored(mark)[mark] {
			t.Errorf("the reader holds %+v, stored is %+v", r.held[mark], w.stored(mark)[mark])
		}
	}
	w.set(mark, spreed, domain.Away, "", 0)
	for _, r := range []*reader{all, list} {
		r.upTo(t, 2)
		if r.held[mark] != w.stored(mark)[mark] {
			t.Errorf("the reader holds %+v, stored is %+v", r.held[mark], w.stored(mark)[mark])
		}
	}
}

func TestTokenExpires(t *testing.T) {
	w := newWorld(t)
	until := clock.New().Now().Add(300 * time.Millisecond)
	for _, r := range []*reader{
		w.subscribe(events.Subscription{All: true, By: domain.Principal{Until: until}}, false),
		w.subscribe(events.Subscription{Users: []domain.UserID{mark}, By: domain.Principal{Until: until}}, false),
	} {
		r.until(t, "ready")
		if last := r.ended(t); last.name != "end" || last.data != `{"reason":"expired"}` {
			t.Errorf("the last event is %+v", last)
		}
		if now := clock.New().Now(); now <= until || now > until.Add(2*time.Second) {
			t.Errorf("the stream ended %v after the token", time.Duration(now-until))
		}
	}
	w.eventually("the hub has let go of them", func() bool { return w.live.Load() == 0 && w.hub.Count() == events.Count{} })
}

// stalled returns a reader who has not read for so long that nothing more can be written to it.
func (w *world) stalled(s events.Subscription) *reader {
	w.t.Helper()
	for i := range 100 {
		w.set(domain.UserID(fmt.Sprintf("user%d@example.test", i)), xmpp, domain.Away, strings.Repeat("x", 4000), 0)
	}
	r := w.subscribe(s, true)
	w.eventually("the hub has begun", func() bool { return w.hub.Count().Streams > 0 })
	return r
}

func TestTokenExpiresWhileTheReaderIsStalled(t *testing.T) {
	w := newWorld(t, func(s *events.Settings) { s.EndTimeout = 200 * time.Millisecond })
	r := w.stalled(events.Subscription{All: true, By: domain.Principal{Until: clock.New().Now().Add(100 * time.Millisecond)}})
	w.eventually("the hub has let go of it", func() bool { return w.live.Load() == 0 })
	for {
		if e, err := r.take(); err != nil {
			break
		} else if e.name == "ready" {
			t.Error("all was told")
		}
	}
}

func TestStop(t *testing.T) {
	w := newWorld(t)
	stalled := w.stalled(events.Subscription{All: true})
	all, list := w.everybody(), w.list(mark)
	all.until(t, "ready")
	list.until(t, "ready")
	began := time.Now()
	w.hub.Stop()
	if took := time.Since(began); took > 600*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
	for _, r := range []*reader{all, list} {
		if last := r.ended(t); last.name != "end" || last.data != `{"reason":"stopping"}` {
			t.Errorf("the last event is %+v", last)
		}
	}
	w.hub.Stop()
	w.eventually("the hub has let go of them", func() bool { return w.live.Load() == 0 })
	late := w.list(mark)
	_ = late.SetReadDeadline(time.Now().Add(patience))
	if e, err := late.take(); err == nil {
		t.Errorf("after Stop there is %+v", e)
	}
	_ = stalled.Close()
}

func TestStopWithoutSubscribers(t *testing.T) {
	w := newWorld(t)
	w.hub.Stop()
	w.hub.Stop()
}

// TestClientsGo: there is nothing left of whoever has gone, however it went, although nothing is written to it.
func TestClientsGo(t *testing.T) {
	w := newWorld(t, func(s *events.Settings) { s.Heartbeat = time.Hour })
	w.set(mark, spreed, domain.Busy, "", 0)
	stays := w.list(mark, kim)
	stays.until(t, "ready")
	var going []*reader
	for i := range 20 {
		going = append(going, w.list(mark, alice, domain.UserID(fmt.Sprintf("user%d@example.test", i))), w.everybody())
	}
	going = append(going, w.stalled(events.Subscription{All: true}))
	w.eventually("all are there", func() bool { return w.hub.Count().Streams == len(going)+1 })
	for i, r := range going {
		switch i % 3 {
		case 0:
			_ = r.Close()
		case 1:
			_ = r.Conn.(*net.TCPConn).SetLinger(0) // a reset
			_ = r.Close()
		case 2:
			_ = r.Conn.(*net.TCPConn).CloseWrite()
		}
	}
	want := events.Count{Streams: 1, Users: 2, Places: 2}
	w.eventually("nothing is left of them", func() bool { return w.live.Load() == 1 && w.hub.Count() == want })
	w.set(kim, spreed, domain.Away, "", 0)
	stays.until(t, "presence")
	w.holds(stays, mark, kim)
}

// TestLongList has a list of as many users as there may be. Many of them change.
func TestLongList(t *testing.T) {
	w := newWorld(t)
	var users []domain.UserID
	for i := range 10_000 {
		users = append(users, domain.UserID(fmt.Sprintf("user%05d@example.test", i)))
		if i%3 > 0 {
			w.set(users[i], xmpp, domain.Away, "", 0)
		}
	}
	r := w.list(users...)
	r.until(t, "ready")
	if r.count != len(users) {
		t.Errorf("the snapshot has %d states, want %d", r.count, len(users))
	}
	for _, user := range users[:2000] {
		w.set(user, spreed, domain.Busy, "", 0)
	}
	r.upTo(t, w.core.Feed.Revision())
	w.holds(r, users...)
	if got, want := w.hub.Count(), (events.Count{Streams: 1, Users: len(users), Places: len(users)}); got != want {
		t.Errorf("in memory are %+v, want %+v", got, want)
	}
}

// TestManyChangesAtOnce: one update changes so many users that they are more than what is kept for a subscriber.
func TestManyChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	var users []domain.UserID
	var updates []domain.Update
	for i := range 3000 {
		users = append(users, domain.UserID(fmt.Sprintf("user%04d@example.test", i)))
		updates = append(updates, domain.Update{User: string(users[i]), Protocol: spreed.String(), Status: "busy"})
	}
	all, list := w.everybody(), w.list(users...)
	all.until(t, "ready")
	list.until(t, "ready")
	if err := w.core.Presence.Update(t.Context(), domain.Principal{User: mark, Any: true}, updates); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*reader{all, list} {
		r.upTo(t, domain.Revision(len(users)))
		w.holds(r, users...)
	}
}

// TestChangesWhileFollowingBegins: what changes between the beginning of the following and the first subscriber is told once.
func TestChangesWhileFollowingBegins(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.feed.followed = func() {
		n++
		w.set(mark, spreed, domain.Busy, fmt.Sprint(n), 0)
	}
	all, list := w.everybody(), w.list(mark)
	for _, r := range []*reader{all, list} {
		r.upTo(t, 1)
		w.holds(r, mark)
		if r.count != n {
			t.Errorf("%d states were told, want %d", r.count, n)
		}
	}
}

// TestHeadWithoutStates: a feed may know that it is further without telling any state. That counts.
func TestHeadWithoutStates(t *testing.T) {
	w := newWorld(t, func(s *events.Settings) { s.CatchUpTimeout = time.Hour })
	r := w.list(mark)
	r.until(t, "ready")
	w.feed.withhold.Store(true)
	w.set(mark, spreed, domain.Busy, "", 0)
	r.upTo(t, 1)
	again := w.subscribe(events.Subscription{Users: []domain.UserID{mark}, Since: 1}, false)
	again.upTo(t, 1)
}
