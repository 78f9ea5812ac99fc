package asterisk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/ports"
)

// rogue is a server's side of a connection on which the tests say what they like.
type rogue struct {
	net.Conn
	from *bufio.Reader
}

func (r rogue) say(text string) { _, _ = io.WriteString(r, text) }

// endless sends text again and again, in pieces, until the connection ends. It takes what the client says.
func (r rogue) endless(text string, pause time.Duration) {
	var taking sync.WaitGroup
	defer taking.Wait()
	defer r.Close()
	taking.Go(func() { _, _ = io.Copy(io.Discard, r.Conn) })
	if pause == 0 {
		text = strings.Repeat(text, 1+(32<<10)/len(text))
	}
	for {
		if _, err := io.WriteString(r, text); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// next returns the ActionID of the next action of a name. Meanwhile it answers nothing.
func (r rogue) next(name string) (id string) {
	for {
		action, err := asterisktest.ReadAction(r.from)
		if err != nil || action["Action"] == name {
			return action["ActionID"]
		}
	}
}

// login lets the client in.
func (r rogue) login() {
	r.say(asterisktest.Banner)
	r.say("Response: Success\r\nActionID: " + r.next("Challenge") + "\r\nChallenge: 1\r\n\r\n")
	r.say("Response: Success\r\nActionID: " + r.next("Login") + "\r\nMessage: Authentication accepted\r\n\r\n" + asterisktest.Booted)
}

// listing begins the first list.
func (r rogue) listing() (id string) {
	id = r.next("ExtensionStateList")
	r.say("Response: Success\r\nActionID: " + id + "\r\nEventList: start\r\n\r\n")
	return id
}

// lists answers with lists: one extension whose state is given, and no presence states.
func (r rogue) lists(status int) {
	id := r.listing()
	r.say(listItem(id, "4711", status) + "Event: ExtensionStateListComplete\r\nActionID: " + id + "\r\nListItems: 1\r\n\r\n")
	r.noPresences()
}

func (r rogue) noPresences() {
	id := r.next("PresenceStateList")
	r.say("Response: Success\r\nActionID: " + id + "\r\n\r\nEvent: PresenceStateListComplete\r\nActionID: " + id + "\r\nListItems: 0\r\n\r\n")
}

func listItem(id, exten string, status int) string {
	return fmt.Sprintf("Event: ExtensionStatus\r\nActionID: %s\r\nExten: %s\r\nContext: default\r\nHint: Custom:x\r\nStatus: %d\r\n\r\n", id, exten, status)
}

// watchRogue makes a source watch a server that does what serve says. Its times are short.
func watchRogue(t *testing.T, names ports.Identities, serve func(r rogue)) *watched {
	t.Helper()
	source := newSource(t, "127.0.0.1:5038", names, nil)
	source.limits.login, source.limits.answer, source.limits.list, source.limits.ping = 500*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond, 100*time.Millisecond
	served := pipe(source, func(conn net.Conn) { serve(rogue{conn, bufio.NewReader(conn)}) })
	w := watch(t, source)
	t.Cleanup(func() { w.cancel(); <-w.done; served() })
	return w
}

// What a hostile server can do. A real one does none of it. Each must end Run with an error that says what happened.
func TestHostileServer(t *testing.T) {
	after := func(then func(r rogue)) func(rogue) { return func(r rogue) { r.login(); then(r) } }
	tests := []struct {
		name, want string
		serve      func(r rogue)
	}{
		{"closes at once", "there is no greeting: EOF (if this is its TLS port", func(rogue) {}},
		{"says nothing", errSlowLogin.Error(), func(r rogue) { _, _ = io.Copy(io.Discard, r) }},
		{"another service", `this is no manager interface: it says "HTTP/1.1 400 Bad Request"`, func(r rogue) { r.say("HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{"an endless banner", errLongLine.Error(), func(r rogue) { r.endless("Asterisk Call Manager/", 0) }},
		{"a binary banner", "this is no manager interface", func(r rogue) { r.say("\x16\x03\x01\x00\xff\r\n") }},
		{"no answer to the challenge", errSilent.Error(), func(r rogue) { r.say(asterisktest.Banner); r.next("Login") }},
		{"no challenge", `it answers Challenge with "Must specify AuthType"`, func(r rogue) {
			r.say(asterisktest.Banner)
			r.say("Response: Error\r\nActionID: " + r.next("Challenge") + "\r\nMessage: Must specify AuthType\r\n\r\n")
		}},
		{"is in use", `"Login Already In Use"`, func(r rogue) {
			r.say(asterisktest.Banner)
			r.say("Response: Success\r\nActionID: " + r.next("Challenge") + "\r\nChallenge: 1\r\n\r\n")
			r.say("Response: Error\r\nActionID: " + r.next("Login") + "\r\nMessage: Login Already In Use\r\n\r\n")
		}},
		{"answers of others before the login", errSilent.Error(), func(r rogue) {
			r.say(asterisktest.Banner)
			r.endless("Response: Success\r\nActionID: x-1\r\nMessage: Authentication accepted\r\n\r\n"+asterisktest.Booted, 0)
		}},
		{"never boots", errNotBooted.Error(), func(r rogue) {
			r.say(asterisktest.Banner)
			r.say("Response: Success\r\nActionID: " + r.next("Challenge") + "\r\nChallenge: 1\r\n\r\n")
			r.say("Response: Success\r\nActionID: " + r.next("Login") + "\r\n\r\n")
			r.endless("Event: Newchannel\r\n\r\n", 0)
		}},
		{"may not list", "the account needs write=reporting", after(func(r rogue) {
			r.say("Response: Error\r\nActionID: " + r.next("ExtensionStateList") + "\r\nMessage: Permission denied\r\n\r\n")
		})},
		{"too old", `it answers ExtensionStateList with "Invalid/unknown command`, after(func(r rogue) {
			r.say("Response: Error\r\nActionID: " + r.next("ExtensionStateList") + "\r\nMessage: Invalid/unknown command: ExtensionStateList\r\n\r\n")
		})},
		{"an endless line", errLongLine.Error(), after(func(r rogue) { r.endless("a", 0) })},
		{"an endless line of line feeds", errLongLine.Error(), after(func(r rogue) { r.endless("\n", 0) })},
		{"an endless event", errLongPacket.Error(), after(func(r rogue) { r.endless("Event: ExtensionStatus\r\n", 0) })},
		{"nothing but empty lines", errSilent.Error(), after(func(r rogue) { r.endless("\r\n", 0) })},
		{"binary", errLongLine.Error(), after(func(r rogue) { r.endless("\x00\xff\x16\r\x80", 0) })},
		{"a list that does not begin", errSilent.Error(), after(func(r rogue) { r.endless("Event: Reload\r\n\r\n", 0) })},
		{"a list that stops", errSilent.Error(), after(func(r rogue) { r.listing(); r.next("Logoff") })},
		{"a list without an end", errEndlessList.Error(), after(func(r rogue) { r.endless(listItem(r.listing(), "4711", 1), 0) })},
		{"a list that drips", errEndlessList.Error(), after(func(r rogue) { r.endless(listItem(r.listing(), "4711", 1), 20*time.Millisecond) })},
		{"a list that lacks something", `it says that ExtensionStateList has "2" items, and 1 came`, after(func(r rogue) {
			id := r.listing()
			r.say(listItem(id, "4711", 1) + "Event: ExtensionStateListComplete\r\nActionID: " + id + "\r\nListItems: 2\r\n\r\n")
		})},
		{"a list without a number", `has "" items`, after(func(r rogue) {
			r.say("Event: ExtensionStateListComplete\r\nActionID: " + r.listing() + "\r\n\r\n")
		})},
		{"cut in a list", io.ErrUnexpectedEOF.Error(), after(func(r rogue) { r.say("Event: ExtensionStatus\r\nActionID: " + r.listing()) })},
		{"no answer to a ping", errSilent.Error(), after(func(r rogue) {
			r.lists(1)
			r.endless("Event: Newchannel\r\n\r\n", 10*time.Millisecond)
		})},
		{"does not read", errSlowWrite.Error(), after(func(r rogue) { r.lists(1); time.Sleep(time.Second) })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := watchRogue(t, recordedPeople, test.serve).lost(t, 5*time.Second)
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ports.ErrRejected) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Run = %v, want %q", err, test.want)
			}
		})
	}
}

// A refused login is ErrRejected, and says nothing of the password even if the server does.
func TestRefused(t *testing.T) {
	w := watchRogue(t, recordedPeople, func(r rogue) {
		r.say(asterisktest.Banner)
		r.say("Response: Success\r\nActionID: " + r.next("Challenge") + "\r\nChallenge: 1\r\n\r\n")
		r.say("Response: Error\r\nActionID: " + r.next("Login") + "\r\nMessage: " + password + " is wrong\r\n\r\n")
	})
	if err := w.lost(t, 5*time.Second); !errors.Is(err, ports.ErrRejected) || !strings.Contains(err.Error(), `"*** is wrong"`) {
		t.Errorf("Run = %v", err)
	}
}

// Nothing that comes before the login and the lists is believed, nor an item of somebody else's list.
func TestEarlyEvents(t *testing.T) {
	lie := asterisktest.StatusEvent(hint("4712", "default", "", 1)) + "Event: PresenceStateChange\r\nPresentity: x\r\nStatus: dnd\r\nMessage: \r\n\r\n" +
		"Event: Shutdown\r\n\r\nEvent: Reload\r\n\r\n" + listItem("x-3", "4712", 1)
	w := watchRogue(t, recordedPeople, func(r rogue) {
		r.say(asterisktest.Banner + asterisktest.Booted + lie)
		r.say("Response: Success\r\nActionID: " + r.next("Challenge") + "\r\nChallenge: 1\r\n\r\n" + lie)
		r.say("Response: Success\r\nActionID: " + r.next("Login") + "\r\n\r\n" + lie)
		r.lists(1)
		r.say(listItem("x-3", "4712", 1))
		r.next("Logoff")
	})
	w.synced(t)
	if alice, bob := w.shows("alice@example.test"), w.shows("bob@example.test"); alice != onThePhone || bob != "unknown" {
		t.Errorf("alice is %q and bob %q", alice, bob)
	}
}

// Of 100,000 hints those are kept that users have, if there is room.
func TestManyHints(t *testing.T) {
	const hints = 100_000
	list := func(r rogue) {
		id := r.listing()
		var b strings.Builder
		for i := range hints {
			b.WriteString(listItem(id, fmt.Sprint(i), 1))
		}
		fmt.Fprintf(&b, "Event: ExtensionStateListComplete\r\nActionID: %s\r\nListItems: %d\r\n\r\n", id, hints)
		r.say(b.String())
		r.noPresences()
		r.next("Logoff")
	}
	for _, test := range []struct {
		names ports.Identities
		full  bool
		want  int
	}{{recordedPeople, false, 9}, {numbered{}, true, 0}, {numbered{}, false, hints}} {
		source := newSource(t, "127.0.0.1:5038", test.names, nil)
		served := pipe(source, func(conn net.Conn) { r := rogue{conn, bufio.NewReader(conn)}; r.login(); list(r) })
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w := watchInto(t, source, &watched{full: test.full}).synced(t)
		runtime.GC()
		runtime.ReadMemStats(&after)
		w.cancel()
		<-w.done
		served()
		if got := len(w.devices); got != test.want {
			t.Errorf("%d users are busy, want %d", got, test.want)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); test.want < 10 && grown > 8<<20 {
			t.Errorf("%d bytes are kept of hints that are nobody's", grown)
		}
	}
}

// numbered gives each extension to a user of its own.
type numbered struct{}

func (n numbered) Find(protocol domain.Protocol, name string) (domain.UserID, bool) {
	return n.User(protocol, name)
}

func (numbered) User(_ domain.Protocol, name string) (domain.UserID, bool) {
	exten, _, _ := strings.Cut(name, "@")
	return domain.UserID("u" + exten + "@example.test"), true
}

func (numbered) Names(domain.Protocol) []domain.Name { return nil }

func (numbered) Changed() <-chan struct{} { return nil }
