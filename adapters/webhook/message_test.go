package webhook_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/ports"
)

// A change is told if it is one of what was asked for.
func TestEvents(t *testing.T) {
	for _, test := range []struct {
		events []string
		want   []string // of the changes below
	}{
		{nil, []string{"available", "busy"}},
		{[]string{"status"}, []string{"available", "busy"}},
		{[]string{"message"}, []string{"available", "available lunch", "busy"}},
		{[]string{"activity"}, []string{"available", "available meal", "busy"}},
		{[]string{"status", "message", "activity"}, []string{"available", "available lunch", "available meal", "busy"}},
	} {
		staged(t, func(c *webhook.Config) { c.Events = test.events }, func(s *stage) {
			meal, _ := domain.ParseActivity("meal")
			s.set("anna", domain.Shown{Status: domain.Available})
			s.set("anna", domain.Shown{Status: domain.Available, IdleSince: 1})
			s.set("anna", domain.Shown{Status: domain.Available, Message: "lunch"})
			s.set("anna", domain.Shown{Status: domain.Available, Activity: meal, Message: "lunch"})
			s.set("anna", domain.Shown{Status: domain.Busy})
			s.set("anna", domain.Shown{Status: domain.Busy, IdleSince: 2})
			var got []string
			for _, m := range s.takeSent() {
				text := m.Data.Status
				switch {
				case m.Data.Activity != "":
					text += " meal"
				case m.Data.Message != "":
					text += " lunch"
				}
				got = append(got, text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v: sent was %q, want %q", test.events, got, test.want)
			}
		})
	}
}

// After a restart a change that was not asked for is still none.
func TestEventsAfterARestart(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("anna")
		s.expect("anna busy")
		s.end()
		s.begin()
		s.set("anna", domain.Shown{Status: domain.Busy, Message: "calling"})
		s.expect("")
		s.away("anna")
		s.expect("anna away")
	})
}

// Users and groups say which users a webhook is about; without them it is about everybody.
func TestUsersAndGroups(t *testing.T) {
	for _, test := range []struct {
		users, groups []string
		want          string
	}{
		{nil, nil, "anna busy, bea busy, carl busy, dora busy"},
		{[]string{"anna@example.test"}, nil, "anna busy"},
		{[]string{"*@elsewhere.test"}, nil, "carl busy, dora busy"},
		{[]string{"group:sales"}, nil, "dora busy"},
		{nil, []string{"sales"}, "dora busy"},
		{[]string{"bea@example.test"}, []string{"sales"}, "bea busy, dora busy"},
		{nil, []string{"nobody"}, ""},
	} {
		staged(t, func(c *webhook.Config) { c.Users, c.Groups = test.users, test.groups }, func(s *stage) {
			for _, user := range []string{"anna", "bea", "carl@elsewhere.test", "dora@elsewhere.test"} {
				s.busy(user)
			}
			s.expect(test.want)
		})
	}
}

// A user who is removed is told as unavailable, and the body is what docs/webhooks.md says.
func TestTheBody(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.set("anna", domain.Shown{Status: domain.Busy, Message: `"quoted" <&> ☕`})
		sent := s.expect("anna busy")
		body := string(sent[0].Body)
		if !strings.HasPrefix(body, `{"type":"presence.changed","timestamp":"2000-01-01T00:00:00.000Z","data":{`) || !json.Valid(sent[0].Body) ||
			sent[0].Data.User != "anna@example.test" || sent[0].Data.Message != `"quoted" <&> ☕` {
			t.Errorf("the body is %s", body)
		}
		s.store.Change(s.T, "anna@example.test", chat, func(old domain.Presence, now domain.Timestamp) domain.Presence { return old.Remove(now) })
		if gone := s.expect("anna unavailable"); gone[0].Data.Revision != 2 || gone[0].Data.By != "" {
			t.Errorf("the body is %s", gone[0].Body)
		}
	})
}

// What would be too large is left out: first the messages of protocols, then the protocols, then the end of the message.
func TestLargeMessages(t *testing.T) {
	long := strings.Repeat("☕", domain.MaxMessage/3)
	for _, test := range []struct {
		protocols int
		message   string
		kept      string // "all", "no messages", "no protocols", "cut"
	}{
		{2, long, "all"}, {6, long, "no messages"}, {400, "", "no protocols"}, {1, strings.Repeat("\u0001", domain.MaxMessage), "cut"},
	} {
		x := create(t, config("https://crm.example.test"))
		state := domain.State{User: "anna@example.test", Revision: 5, Unified: domain.Unified{Status: domain.Busy, Message: test.message}}
		for range test.protocols {
			state.Presences = append(state.Presences, domain.Presence{Protocol: chat, Status: domain.Busy, Message: test.message, Revision: 5})
		}
		before := state.Presences[0].Message
		body := x.Body(state, time.Unix(1, 0))
		var m struct {
			Data struct {
				Message   string
				Protocols []struct{ Message string }
			}
		}
		if err := json.Unmarshal(body, &m); err != nil || len(body) >= 20_000 || state.Presences[0].Message != before {
			t.Errorf("%s: %d bytes, %v", test.kept, len(body), err)
		}
		kept := "all"
		switch {
		case m.Data.Message != test.message && m.Data.Message != "" && strings.HasPrefix(test.message, m.Data.Message):
			kept = "cut"
		case len(m.Data.Protocols) == 0:
			kept = "no protocols"
		case m.Data.Protocols[0].Message != test.message:
			kept = "no messages"
		}
		if kept != test.kept {
			t.Errorf("%s is kept, want %s", kept, test.kept)
		}
	}
}

// New rules that show and hide users are told, and what has changed, and changed back, is another message each time.
func TestRenewals(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("anna")
		s.busy("bea")
		first := s.expect("anna busy, bea busy")
		s.all.Renew()
		s.expect("")
		s.hide("anna@example.test")
		s.all.Renew()
		hidden := s.expect("anna unavailable")
		if hidden[0].Data.Revision != 0 || hidden[0].Data.By != "" {
			t.Errorf("who is hidden is told as %s", hidden[0].Body)
		}
		s.away("anna")
		s.busy("anna")
		s.expect("")
		s.hide("nobody@example.test")
		s.all.Renew()
		again := s.expect("anna busy")
		ids := map[string]bool{hidden[0].ID: true, again[0].ID: true}
		for _, m := range first {
			ids[m.ID] = true
		}
		if len(ids) != 4 {
			t.Errorf("four messages have the ids %v", ids)
		}
	})
}

// What is told because the rules are others is another message each time, also after a restart, although the revision is the same: a receiver that drops
// what it has seen the id of would go on with the state before.
func TestRenewalsAfterARestart(t *testing.T) {
	staged(t, nil, func(s *stage) {
		seen := map[string]bool{}
		told := func(want string) {
			t.Helper()
			for _, m := range s.expect(want) {
				if seen[m.ID] {
					t.Errorf("%s has the id of a message before", want)
				}
				seen[m.ID] = true
			}
		}
		restart := func() { s.end(); time.Sleep(time.Second); s.begin() }
		s.busy("anna")
		told("anna busy")
		for range 3 { // the rules change while the daemon runs
			s.hide("anna@example.test")
			s.all.Renew()
			told("anna unavailable")
			s.hide("nobody@example.test")
			s.all.Renew()
			told("anna busy")
			restart()
		}
		for range 2 { // they change back while it is down
			s.hide("anna@example.test")
			if err := s.all.Configure([]ports.Exporter{s.exporter}, 2); err != nil {
				t.Fatal(err)
			}
			told("anna unavailable")
			s.hide("nobody@example.test")
			restart()
			told("anna busy")
		}
	})
}

// Both secrets sign, so that a receiver that knows either takes the message.
func TestTwoSecrets(t *testing.T) {
	receiver := webhooktest.Start(t)
	for _, rotated := range []bool{false, true} {
		c := config(receiver.URL)
		if rotated {
			c.Secret, c.OldSecret = secret(webhooktest.OldSecret), secret(webhooktest.Secret)
		}
		if result := create(t, c).Test(t.Context()); result.Err != nil || result.Status != 204 {
			t.Errorf("rotated %v: %+v", rotated, result)
		}
	}
	if taken := receiver.Taken(); len(taken) != 2 || taken[0].Type != "presence.test" || taken[0].Data.Webhook != "crm" || taken[0].Data.User != "" {
		t.Errorf("the receiver was sent %+v", taken)
	}
}
