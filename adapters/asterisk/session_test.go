package asterisk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
)

// A server that falls silent is noticed within 30 seconds, whenever it does. The times are the real ones.
func TestSilence(t *testing.T) {
	for name, serve := range map[string]func(r rogue){
		"after the connection": func(rogue) {},
		"after the banner":     func(r rogue) { r.say(asterisktest.Banner) },
		"after the login":      func(r rogue) { r.login() },
		"in a list":            func(r rogue) { r.login(); r.say(listItem(r.listing(), "4711", 1)) },
		"after the lists":      func(r rogue) { r.login(); r.lists(1) },
		"after some pings": func(r rogue) {
			r.login()
			r.lists(1)
			for range 5 {
				r.say("Response: Success\r\nActionID: " + r.next("Ping") + "\r\nPing: Pong\r\n\r\n")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := newSource(t, "127.0.0.1:5038", recordedPeople, nil)
				source.limits = defaultLimits
				var silent time.Time
				served := pipe(source, func(conn net.Conn) {
					r := rogue{conn, bufio.NewReader(conn)}
					serve(r)
					silent = time.Now()
					_, _ = io.Copy(io.Discard, conn)
				})
				w := watch(t, source)
				<-w.done
				served()
				if took := time.Since(silent); took > 30*time.Second {
					t.Errorf("it took %v: %v", took, w.err)
				}
				if !errors.Is(w.err, errSilent) && !errors.Is(w.err, errSlowLogin) {
					t.Errorf("Run = %v", w.err)
				}
			})
		})
	}
}

// A slow server is none that is lost: what matters is that something comes.
func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, "127.0.0.1:5038", recordedPeople, nil)
		source.limits = defaultLimits
		served := pipe(source, func(conn net.Conn) {
			r := rogue{conn, bufio.NewReader(conn)}
			r.login()
			id := r.listing()
			for i := range 10 {
				r.say(listItem(id, fmt.Sprint(4710+i), 1))
				time.Sleep(10 * time.Second)
			}
			r.say("Event: ExtensionStateListComplete\r\nActionID: " + id + "\r\nListItems: 10\r\n\r\n")
			r.noPresences()
			for {
				id := r.next("Ping")
				time.Sleep(14 * time.Second)
				if _, err := io.WriteString(r, "Response: Success\r\nActionID: "+id+"\r\nPing: Pong\r\n\r\n"); err != nil {
					return
				}
			}
		})
		w := watch(t, source)
		time.Sleep(4 * time.Minute)
		if got := w.shows("alice@example.test"); got != onThePhone || w.count("Synced") != 1 {
			t.Errorf("alice is %q, and Run has returned %v", got, w.err)
		}
		w.cancel()
		<-w.done
		served()
	})
}

// Run ends within a second even if the server does not take what is written, and in the middle of everything.
func TestStop(t *testing.T) {
	for name, serve := range map[string]func(r rogue){
		"it takes nothing":    func(r rogue) { r.login(); r.lists(1); time.Sleep(time.Minute) },
		"it never stops":      func(r rogue) { r.login(); r.lists(1); r.endless("Event: Reload\r\n\r\n", time.Millisecond) },
		"in a list":           func(r rogue) { r.login(); r.endless(listItem(r.listing(), "4711", 1), time.Millisecond) },
		"in the login":        func(r rogue) { r.say(asterisktest.Banner); r.endless("\r\n", time.Millisecond) },
		"it takes no goodbye": func(r rogue) { r.login(); r.lists(1); r.next("Ping"); time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := newSource(t, "127.0.0.1:5038", recordedPeople, nil)
				source.limits = defaultLimits
				served := pipe(source, func(conn net.Conn) { serve(rogue{conn, bufio.NewReader(conn)}) })
				w := watch(t, source)
				time.Sleep(11 * time.Second) // it pings
				ended := time.Now()
				w.cancel()
				<-w.done
				if took := time.Since(ended); took > time.Second {
					t.Errorf("it took %v", took)
				}
				served()
			})
		})
	}
}

// When it is ended it logs off, and takes what is on its way.
func TestGoodbye(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice", 0))
	w := watch(t, newSource(t, f.Addr(), recordedPeople, nil)).synced(t)
	w.cancel()
	<-w.done
	if f.Count("Logoff") != 1 {
		t.Errorf("it logged off %d times", f.Count("Logoff"))
	}
}

// What no event has told is found by the next list: calls that have begun or ended, presence states, extensions that came or went. If no events come
// at all, the log says what is probably wrong.
func TestRelist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := asterisktest.New(hint("4711", "default", "Custom:alice,CustomPresence:alice", 1),
			hint("4712", "default", "Custom:bob,CustomPresence:bob", 0), hint("4717", "default", "", 1))
		f.SetPresence("bob", "away", "lunch")
		source := newSource(t, "127.0.0.1:5038", recordedPeople, nil)
		served := pipe(source, f.Serve)
		w := watch(t, source)
		time.Sleep(time.Second)
		check := func(want map[domain.UserID]string) {
			t.Helper()
			got := map[domain.UserID]string{}
			for user := range want {
				got[user] = w.shows(user)
			}
			if !maps.Equal(got, want) {
				t.Errorf("they are %v, want %v", got, want)
			}
		}
		check(map[domain.UserID]string{"alice@example.test": onThePhone, "bob@example.test": "away lunch", "neverset@example.test": onThePhone, "new@example.test": "unknown"})
		f.Change(func(s *asterisktest.State) {
			s.Hints = []asterisktest.Hint{hint("4711", "default", "Custom:alice,CustomPresence:alice", 0), hint("4712", "default", "Custom:bob,CustomPresence:other", 0), hint("4720", "default", "Custom:new", 8)}
			s.Presences = append(s.Presences, presence("custompresence:Alice", "chat", "hello"))
		})
		time.Sleep(4 * time.Minute)
		check(map[domain.UserID]string{"alice@example.test": onThePhone, "bob@example.test": "away lunch"})
		time.Sleep(2 * time.Minute)
		check(map[domain.UserID]string{"alice@example.test": "available hello", "bob@example.test": "-", "neverset@example.test": "unknown", "new@example.test": onThePhone})
		f.Change(func(s *asterisktest.State) { s.Presences = nil })
		time.Sleep(10 * time.Minute)
		check(map[domain.UserID]string{"alice@example.test": "-", "bob@example.test": "-"})
		if n := f.Count("ExtensionStateList"); n != 4 {
			t.Errorf("%d lists in a quarter of an hour", n)
		}
		if w.count("Synced") != 1 || w.count("Connected") != 1 {
			t.Errorf("the calls are %v", w.calls)
		}
		w.cancel()
		<-w.done
		served()
	})
}

// The log says once that changes are listed and not told, and that no hint is a user's.
func TestAccountHelp(t *testing.T) {
	for _, test := range []struct {
		names    people
		tell     bool
		want     string
		wantNone string
	}{
		{recordedPeople, false, "the account needs read=call", "no hint of Asterisk"},
		{recordedPeople, true, "", "the account needs read=call"},
		{people{}, false, "no hint of Asterisk is a user's", "the account needs read=call"},
	} {
		f := asterisktest.Start(t, hint("4711", "default", "Custom:alice", 0), hint("4712", "default", "Custom:bob", 0))
		log := &logged{}
		source := newSource(t, f.Addr(), test.names, func(c *Config) { c.RelistEvery = 5 * time.Millisecond })
		source.log = log.logger()
		w := watch(t, source).synced(t)
		if test.tell {
			f.SetStatus("4712", 1)
		}
		for i := range 3 {
			f.Change(func(s *asterisktest.State) { s.Hints[0].Status = 1 - s.Hints[0].Status })
			lists := f.Count("PresenceStateList")
			w.eventually(t, func() error {
				if f.Count("PresenceStateList") < lists+2 {
					return fmt.Errorf("there was no list after %d", i)
				}
				return nil
			})
		}
		if text := log.String(); !strings.Contains(text, test.want) || strings.Contains(text, test.wantNone) || test.want != "" && strings.Count(text, test.want) != 1 {
			t.Errorf("the log is\n%s\nwant %q", text, test.want)
		}
		w.cancel()
		<-w.done
	}
}

// A note that forges events does no lasting harm: it forges no answer and no end, and what it says of somebody else's telephone is corrected.
func TestForgedEvents(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice,CustomPresence:alice", 0), hint("4712", "default", "Custom:bob,CustomPresence:bob", 0))
	source := newSource(t, f.Addr(), recordedPeople, nil)
	source.limits.settle = 20 * time.Millisecond
	w := watch(t, source).synced(t)
	lists := f.Count("ExtensionStateList")
	f.SetPresence("alice", "away", "x\r\n\r\nEvent: Shutdown\r\n\r\n"+asterisktest.StatusEvent(hint("4712", "default", "Custom:bob,CustomPresence:bob", 1))+
		"Event: PresenceStateChange\r\nPresentity: CustomPresence:bob\r\nStatus: dnd\r\nMessage: forged")
	w.eventually(t, func() error {
		if f.Count("ExtensionStateList") == lists {
			return errors.New("there was no new list")
		}
		return nil
	})
	w.want(t, "bob@example.test", "-")
	if got := w.shows("alice@example.test"); !strings.HasPrefix(got, "away x\r\n\r\nEvent: Shutdown") {
		t.Errorf("alice is %q", got)
	}
}

// changing is a ports.Identities that can be changed.
type changing struct {
	mu      sync.Mutex
	people  people
	changed chan struct{}
}

func (c *changing) set(names people) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.people != nil {
		close(c.changed)
	}
	c.people, c.changed = names, make(chan struct{})
}

func (c *changing) Find(protocol domain.Protocol, name string) (domain.UserID, bool) {
	return c.User(protocol, name)
}

func (c *changing) User(protocol domain.Protocol, name string) (domain.UserID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.people.User(protocol, name)
}

func (c *changing) Names(domain.Protocol) []domain.Name { return nil }

func (c *changing) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// When identities change, extensions move to their new users at once, and users without one are forgotten.
func TestIdentitiesChange(t *testing.T) {
	f := asterisktest.Start(t, hint("4711", "default", "Custom:alice,CustomPresence:alice", 0), hint("4712", "default", "Custom:bob", 1), hint("4713", "Default", "Custom:x", 0))
	f.SetPresence("alice", "dnd", "no")
	names := &changing{}
	names.set(people{})
	w := watch(t, newSource(t, f.Addr(), names, nil)).synced(t)
	if len(w.known) != 0 {
		t.Errorf("%v are known without identities", w.known)
	}
	names.set(people{"4711@default": "alice@example.test", "4712@default": "alice@example.test", "4713@default": "bob@example.test"})
	w.want(t, "alice@example.test", "busy no") // the newest of two devices that are busy
	w.want(t, "bob@example.test", "-")
	names.set(people{"4711@default": "alice@example.test", "4712@default": "bob@example.test"})
	w.want(t, "alice@example.test", "busy no")
	w.want(t, "bob@example.test", onThePhone)
	names.set(people{"4711@default": "bob@example.test"})
	w.want(t, "alice@example.test", "unknown")
	w.want(t, "bob@example.test", "busy no")
	names.set(people{})
	w.want(t, "bob@example.test", "unknown")
	if w.count("Synced") != 1 {
		t.Errorf("the calls are %v", w.calls)
	}
}
