package command

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/syncbuffer"
)

// told is what somebody was told by a stream that stays open.
type told struct{ syncbuffer.Buffer }

// listens opens a stream about users.
func (r *reloading) listens(t *testing.T, viewer, users string) *told {
	t.Helper()
	c, s := r.dial(t, get("/v1/events?user="+strings.ReplaceAll(users, " ", "&user="), signed(testSecret, viewer, time.Now()))), new(told)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(&s.Buffer, c.lines)
	}()
	t.Cleanup(func() { _ = c.Close(); <-ended })
	s.eventually(t, "event: ready")
	return s
}

// eventually waits until the stream has told all of some texts since its last reset, one after the other.
func (s *told) eventually(t *testing.T, texts ...string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the stream has told\n%s", s.String())
		}
	}()
	eventually(t, "the stream tells "+strings.Join(texts, ", then "), func() bool {
		rest := s.String()
		rest = rest[max(0, strings.LastIndex(rest, "event: reset")):]
		for _, text := range texts {
			_, after, found := strings.Cut(rest, text)
			if !found {
				return false
			}
			rest = after
		}
		return true
	})
}

// The streams of two people follow the rules, which are reloaded, and the groups, whose file is replaced, while they are open. Nobody is ever told what the rules
// hide, and each is told what it sees at once.
func TestStreamsFollowTheRules(t *testing.T) {
	const alice, bob, secret = "alice@example.test", "bob@example.test", "not for everybody"
	const others = ", {viewer: '*', user: " + bob + ", sees: all}]" // by which alice's stream tells how far it is
	nobody, bobHelps := "- {user: "+alice+"}\n- {user: "+bob+"}\n", "- {user: "+alice+"}\n- {user: "+bob+", groups: [helpdesk]}\n"
	file := write(t, "identities.yaml", nobody)
	r := reloads(t, map[string]string{"identities_file": file, "visibility": "[{viewer: " + alice + ", user: " + markd + ", sees: status}" + others})
	set := func(user, status, message string) {
		t.Helper()
		if got := r.ask(t, user, "PUT", "/v1/users/"+user+"/manual", `{"status":"`+status+`","message":"`+message+`"}`); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	set(markd, "busy", secret)
	a, b := r.listens(t, alice, markd+" "+bob), r.listens(t, bob, markd+" "+bob)
	a.eventually(t, `"user":"markd@zarafa.com","status":"busy","message":""`)
	b.eventually(t, `"user":"markd@zarafa.com","status":"unavailable"`, `"revision":0`)
	set(markd, "away", secret)
	set(bob, "away", "one")
	a.eventually(t, `"user":"markd@zarafa.com","status":"away","message":""`, `"message":"one"`)
	b.eventually(t, `"message":"one"`)
	if strings.Contains(b.String(), `"status":"busy"`) || strings.Contains(b.String(), secret) {
		t.Errorf("bob, who sees nothing, is told\n%s", b)
	}

	r.change(t, map[string]string{"visibility": "[{viewer: 'group:helpdesk', user: '*', sees: all}" + others})
	for _, s := range []*told{a, b} {
		s.eventually(t, "event: reset", `"user":"markd@zarafa.com","status":"unavailable"`, `"revision":0`)
	}
	follow := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	follow(bobHelps)
	b.eventually(t, "event: reset", `"user":"markd@zarafa.com","status":"away","message":"`+secret+`"`)
	set(markd, "busy", secret+" at all")
	b.eventually(t, `"status":"busy","message":"`+secret+` at all"`)
	follow(nobody)
	b.eventually(t, "event: reset", `"user":"markd@zarafa.com","status":"unavailable"`, `"revision":0`)
	set(markd, "available", secret)
	set(bob, "busy", "two")
	a.eventually(t, `"message":"two"`)
	b.eventually(t, `"message":"two"`)
	if strings.Contains(b.String(), `"user":"markd@zarafa.com","status":"available"`) {
		t.Errorf("bob, who is in no group any more, is told\n%s", b)
	}
	if strings.Contains(a.String(), secret) {
		t.Errorf("alice, who has never seen more than the status, is told\n%s", a)
	}
}

// Who is no service any more, and was let see as one, is told everything anew: by its stream, and when it asks what has changed.
func TestServiceThatIsNoneAnyMore(t *testing.T) {
	r := reloads(t, map[string]string{"visibility": "[{viewer: service, user: '*', sees: all}]"})
	if got := r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"busy"}`); got.status != 204 {
		t.Fatalf("PUT: %d %s", got.status, got.body)
	}
	s := r.listens(t, clerk, markd)
	s.eventually(t, `"status":"busy"`)
	list := "/v1/users?user=" + markd
	since, _, _ := strings.Cut(strings.TrimPrefix(r.ask(t, clerk, "GET", list, "").body, `{"revision":`), ",")
	if got := r.ask(t, clerk, "GET", list+"&since="+since, "").body; !strings.Contains(got, `"users":[]`) {
		t.Fatalf("before, what has changed is %s", got)
	}
	r.change(t, map[string]string{"auth.services": "[other@example.test]"})
	s.eventually(t, "event: reset", `"status":"unavailable"`)
	if got := r.ask(t, clerk, "GET", list+"&since="+since, "").body; !strings.Contains(got, `"status":"unavailable"`) {
		t.Errorf("what has changed is %s", got)
	}
}
