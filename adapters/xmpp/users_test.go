package xmpp

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	xmpp "github.com/mattn/go-xmpp"
	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

// twoHosts makes alice@chat.test, alice@alt.test and alice@example.test one user.
func twoHosts(c *Config) {
	c.DomainMap = map[string]string{"chat.test": "example.test", "alt.test": "example.test"}
}

// lone returns a session without a connection, for stanzas and roster items that are given to it directly.
func lone(t interface{ Fatal(...any) }, change func(*Config)) (*session, *recording) {
	c := validConfig()
	if change != nil {
		change(&c)
	}
	source, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := newRecording()
	return again(source, r), r
}

// again returns the session of the source's next connection.
func again(source *Source, r *recording) *session {
	s := newSession(source, &connection{own: source.own.bare + "/here", guard: lenient(source.limits)}, r)
	s.rosterTimer = time.NewTimer(time.Hour)
	return s
}

// says gives a session a presence.
func (s *session) says(t interface{ Fatal(...any) }, from, kind, show, status string) {
	if err := s.presence(&xmpp.Presence{From: from, Type: kind, Show: show, Status: status}); err != nil {
		t.Fatal(err)
	}
}

// gets gives a session a roster item.
func (s *session) gets(jid, subscription string) {
	s.contact(rosterItem{JID: jid, Subscription: subscription})
}

// What becomes of a user of two JIDs, both with a resource of the same name.
func TestUserWithSeveralJIDs(t *testing.T) {
	const (
		both   = "<item jid='alice@chat.test' subscription='both'/><item jid='alice@example.test' subscription='both'/>"
		online = "<presence from='alice@chat.test/phone'><show>dnd</show><status>chat</status></presence><presence from='alice@example.test/phone'><status>own</status></presence>"
		push   = "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='%s' subscription='%s'/></query></iq>"
		gone   = "<presence type='unavailable' from='%s'/>"
		taken  = "<presence type='unsubscribed' from='%s'/>"
	)
	chat, own := "alice@chat.test", "alice@example.test"
	tests := []struct{ name, stanzas, want string }{
		{"both online", "", "busy chat"},
		{"one device", fmt.Sprintf(gone, chat+"/phone"), "available own"},
		{"the other device", fmt.Sprintf(gone, own+"/phone"), "busy chat"},
		{"both devices", fmt.Sprintf(gone+gone, own+"/phone", chat+"/phone"), "unavailable"},
		{"all of one JID", fmt.Sprintf(gone, chat), "available own"},
		{"all of the other JID", fmt.Sprintf(gone, own), "busy chat"},
		{"all of both JIDs", fmt.Sprintf(gone+gone, chat, own), "unavailable"},
		{"an error of one JID", "<presence type='error' from='alice@chat.test'><error type='cancel'/></presence>", "available own"},
		{"one removed", fmt.Sprintf(push, chat, "remove"), "available own"},
		{"the other removed", fmt.Sprintf(push, own, "remove"), "busy chat"},
		{"both removed", fmt.Sprintf(push+push, own, "remove", chat, "remove"), "unknown"},
		{"one not to be seen", fmt.Sprintf(push, chat, "from"), "available own"},
		{"both not to be seen", fmt.Sprintf(push+push, chat, "from", own, "none"), "unknown"},
		{"one unsubscribed", fmt.Sprintf(taken, own), "busy chat"},
		{"both unsubscribed", fmt.Sprintf(taken+taken, own, chat), "unknown"},
		{"removed and back", fmt.Sprintf(push, chat, "remove") + "<presence from='alice@chat.test/phone'><show>away</show></presence>" + fmt.Sprintf(gone, own), "away"},
		{"no resource", "<presence from='alice@example.test'><show>dnd</show><status>none</status></presence>" + fmt.Sprintf(gone, own), "busy chat"},
		{"a resource like a JID", "<presence from='alice@example.test/alice@chat.test/phone'/>" + fmt.Sprintf(gone, own+"/alice@chat.test/phone"), "busy chat"},
		{"in other case", fmt.Sprintf(gone, "Alice@Chat.test/phone"), "available own"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proceed := make(chan struct{})
			const end = "<presence from='bob@example.test/x'/><presence type='unavailable' from='bob@example.test/x'/>"
			f := newFake(t, afterLogin(func(s *stream) {
				for range 4 {
					e, _ := s.next()
					s.answer(e, both)
				}
				_, _ = io.WriteString(s, online)
				<-proceed
				_, _ = io.WriteString(s, test.stanzas+end)
				hang(s.reader)
			}))
			source := f.source(t, twoHosts)
			source.limits.unavailable = 20 * time.Millisecond
			r := begin(t, source)
			r.want(t, own, "busy chat")
			r.wantSynced(t)
			close(proceed)
			r.want(t, "bob@example.test", "unavailable") // and with that, everything before
			if got := r.show(own); got != test.want {
				t.Errorf("alice is %q, want %q", got, test.want)
			}
		})
	}
}

// A user who was seen by two JIDs is forgotten after a reconnect only if the roster has neither any more.
func TestUserWithSeveralJIDsAfterReconnect(t *testing.T) {
	jids := []string{"alice@remote.test", "alice@away.test"}
	elsewhere := func(c *Config) { c.StripDomain = true }
	for left := range 4 {
		s, _ := lone(t, elsewhere)
		for _, jid := range jids {
			s.gets(jid, "both")
		}
		r := newRecording()
		s = again(s.source, r)
		for i, jid := range jids {
			if left&(1<<i) != 0 {
				s.gets(jid, "to")
			}
		}
		s.forgetLost()
		if forgotten := slices.Contains(r.forgotten, "alice@example.test"); forgotten != (left == 0) {
			t.Errorf("the roster has still %02b of the JIDs, but the user is forgotten: %v", left, forgotten)
		}
	}
}

// model is what a session should report, in the simplest words: the devices of each JID, and the JIDs that are known.
type model map[string]map[string]string

// TestDevicesOfAnyJIDs gives a session random stanzas of few JIDs, some of them of the same user, and compares what is told with the
// model; and so the JIDs that are kept and counted.
func TestDevicesOfAnyJIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, r := lone(t, twoHosts)
		m := model{}
		jid := rapid.SampledFrom([]string{"alice@chat.test", "alice@alt.test", "alice@example.test", `d\27a@chat.test`, "d'a@example.test", "bob@example.test"})
		resource := rapid.SampledFrom([]string{"", "phone", "tablet", "alice@chat.test/phone"})
		t.Repeat(map[string]func(*rapid.T){
			"show": func(t *rapid.T) {
				from, device, message := jid.Draw(t, "jid"), resource.Draw(t, "resource"), rapid.StringN(0, 9, -1).Draw(t, "message")
				s.says(t, full(from, device), "", "dnd", message)
				if m[from] == nil {
					m[from] = map[string]string{}
				}
				m[from][device] = message
			},
			"leave": func(t *rapid.T) {
				from, device := jid.Draw(t, "jid"), resource.Draw(t, "resource")
				s.says(t, full(from, device), "unavailable", "", "")
				delete(m[from], device)
				if device == "" {
					clear(m[from])
				}
			},
			"subscribe": func(t *rapid.T) {
				from := jid.Draw(t, "jid")
				s.gets(from, "both")
				if m[from] == nil {
					m[from] = map[string]string{}
				}
			},
			"remove": func(t *rapid.T) {
				from := jid.Draw(t, "jid")
				s.gets(from, "remove")
				delete(m, from)
			},
			"": func(t *rapid.T) { m.check(t, s, r) },
		})
	})
}

func full(bare, resource string) string {
	if resource == "" {
		return bare
	}
	return bare + "/" + resource
}

func (m model) check(t *rapid.T, s *session, r *recording) {
	want, further := map[domain.UserID][]string{}, 0
	for bare, devices := range m {
		user, _ := s.source.directory.user(bare)
		want[user] = append(want[user], slices.Collect(maps.Values(devices))...)
	}
	for _, aliases := range s.source.contacts.aliases {
		further += aliases - 1
	}
	got := map[domain.UserID][]string{}
	for user, devices := range r.devices {
		got[user] = nil
		for _, device := range devices {
			got[user] = append(got[user], device.message)
		}
	}
	for _, messages := range []map[domain.UserID][]string{want, got} {
		for _, all := range messages {
			slices.Sort(all)
		}
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("told is %q, want %q", got, want)
	}
	if s.source.contacts.further != further || len(s.source.contacts.byJID) != len(m) {
		t.Fatalf("%d JIDs are kept, %d further ones are counted; want %d and %d", len(s.source.contacts.byJID), s.source.contacts.further, len(m), further)
	}
}

// A user has a bounded number of JIDs: no server can make one grow.
func TestManyJIDs(t *testing.T) {
	s, _ := lone(t, func(c *Config) { c.StripDomain = true })
	for i := range 3 * maxAliases {
		s.gets(fmt.Sprintf("bob@host%d.test", i), "both")
	}
	if n := len(s.source.contacts.byJID); n != maxAliases {
		t.Errorf("%d JIDs are kept, want %d", n, maxAliases)
	}
}

// What the use cases do not take is not kept here either. Whoever is there can still change.
func TestNoRoom(t *testing.T) {
	s, r := lone(t, nil)
	s.gets("visible@remote.test", "both")
	s.says(t, "alice@example.test/phone", "", "dnd", "")
	r.full = true
	for i := range 1000 {
		s.says(t, fmt.Sprintf("u%d@example.test/x", i), "", "", "")
		s.says(t, fmt.Sprintf("alice@example.test/d%d", i), "", "", "")
		s.gets(fmt.Sprintf("c%d@remote.test", i), "both")
	}
	s.says(t, "visible@remote.test/phone", "", "", "")
	if users, jids := len(r.devices), len(s.source.contacts.byJID); users != 2 || jids != 2 || len(s.source.contacts.aliases) != 0 {
		t.Errorf("%d users are told, %d JIDs are kept", users, jids)
	}
	s.says(t, "alice@example.test/phone", "", "away", "lunch")
	if got := r.show("alice@example.test"); got != "away lunch" {
		t.Errorf("alice is %q", got)
	}
	r.full = false
	s.says(t, "u0@example.test/x", "", "", "short")
	if got := r.show("u0@example.test"); got != "available short" {
		t.Errorf("there is room again, but u0 is %q", got)
	}
}

// However often a server makes the link end, whoever the use cases know stays known here.
func TestWhoeverWasToldIsRemembered(t *testing.T) {
	s, r := lone(t, nil)
	for connection := range 10 {
		for i := range 30 {
			s.says(t, fmt.Sprintf("u%d-%d@example.test/x", connection, i), "", "", "")
			s.gets(fmt.Sprintf("c%d-%d@remote.test", connection, i), "both")
		}
		if connection%3 != 0 { // else it never tells the contacts
			s.forgetLost()
		}
		for user := range r.devices {
			if _, there := s.source.contacts.byJID[string(user)]; !there {
				t.Fatalf("%s is known, but nobody remembers it", user)
			}
		}
		s = again(s.source, r)
	}
}

// JIDs that the use cases do not count are counted here: those that were only asked, and further ones of a user.
func TestUncountedJIDsAreBounded(t *testing.T) {
	const most = 25
	tests := []struct {
		name string
		tell func(s *session, i int)
		want int
	}{
		{"asked", func(s *session, i int) {
			s.contact(rosterItem{JID: fmt.Sprintf("u%d@remote.test", i), Ask: "subscribe"})
		}, most},
		{"further ones", func(s *session, i int) { s.gets(fmt.Sprintf("u%d@host%d.test", i/10, i), "both") }, 100 + most},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := lone(t, func(c *Config) { c.StripDomain = true })
			s.source.limits.uncounted = most
			for i := range 1000 {
				test.tell(s, i)
			}
			if n := len(s.source.contacts.byJID) + len(s.asked); n != test.want {
				t.Errorf("%d JIDs are kept, want %d", n, test.want)
			}
			s = again(s.source, newRecording())
			if len(s.asked) != 0 {
				t.Errorf("%d JIDs that an earlier connection has asked are kept", len(s.asked))
			}
			for bare, c := range s.source.contacts.byJID {
				s.source.contacts.remove(bare, c.user)
			}
			if s.source.contacts.further != 0 || len(s.source.contacts.aliases) != 0 {
				t.Errorf("nothing is left, but %d further JIDs are counted", s.source.contacts.further)
			}
		})
	}
}

// What waits for the roster is bounded, and not too small for those who may come before it.
func TestEarlyPresencesAreBounded(t *testing.T) {
	s, r := lone(t, nil)
	for i := range 10_000 {
		s.says(t, fmt.Sprintf("c%d@remote.test/x", i), "", "", "hello")
	}
	if len(s.early) != 10_000 {
		t.Errorf("%d of 10000 presences are kept", len(s.early))
	}
	s.gets("c9999@remote.test", "both")
	if err := s.roster(&xmpp.IQ{Type: "result", Query: []byte(`<query xmlns="jabber:iq:roster"/>`)}); err != nil {
		t.Fatal(err)
	}
	if got := r.users() + r.show("c9999@remote.test"); got != "[c9999@remote.test]available hello" {
		t.Error(got)
	}

	s, _ = lone(t, nil)
	for i := range 10_000 {
		s.says(t, fmt.Sprintf("c%d@remote.test/x", i), "", "", strings.Repeat("x", domain.MaxMessage))
	}
	bytes := 0
	for _, p := range s.early {
		bytes += len(p.Status)
	}
	if bytes > maxEarly || bytes < maxEarly*3/4 {
		t.Errorf("%d bytes are kept", bytes)
	}
}
