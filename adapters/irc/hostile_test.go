package irc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// watchFake runs a source with a password over a fake server.
func watchFake(t *testing.T, change func(*Config), script func(c *talk)) *observer {
	t.Helper()
	return observe(t, newSource(t, fake(t, script), app.NewIdentities(nil), func(c *Config) {
		c.TLS, c.Password, c.Nick = tlsNone, setting.NewSecret("the password"), "watcher"
		as("alice", "bob")(c)
		change(c)
	}))
}

func plainly(*Config) {}

func viaSASL(c *Config) { c.SASL = saslPlain }

// A login that does not succeed ends with a reason without the password. It is a rejection only if the server refuses the account.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	const password = "AHdhdGNoZXIAdGhlIHBhc3N3b3Jk" // as SASL PLAIN has it
	tests := map[string]struct {
		change   func(*Config)
		script   func(c *talk)
		rejected bool
		want     string
	}{
		"wrong password":     {plainly, func(c *talk) { c.hear("USER"); c.say(":s 464 * :the password is wrong") }, true, "*** is wrong"},
		"banned":             {plainly, func(c *talk) { c.hear("USER"); c.say("ERROR :Closing link: K-Lined") }, true, "K-Lined"},
		"nick not allowed":   {plainly, func(c *talk) { c.hear("USER"); c.say(":s 432 * watcher :Erroneous") }, true, "Erroneous"},
		"refused by no text": {plainly, func(c *talk) { c.hear("USER"); c.say("465") }, true, `""`},
		"too many":           {plainly, func(c *talk) { c.hear("USER"); c.say("ERROR :Too many connections") }, false, "Too many"},
		"a long reason": {plainly, func(c *talk) {
			c.hear("USER")
			c.say("ERROR :" + strings.Repeat("\xff\x01", 3000))
		}, false, "ended the connection"},
		"closed":        {plainly, func(c *talk) { c.hear("USER") }, false, "EOF"},
		"endless line":  {plainly, func(c *talk) { c.hear("USER"); c.say(strings.Repeat("x", 1<<20)) }, false, "more than"},
		"endless nicks": {plainly, func(c *talk) { c.hear("USER"); c.say(slices.Repeat([]string{"433"}, 100)...); c.hear("never") }, false, "are taken"},
		"endless greeting": {plainly, func(c *talk) {
			for c.say(slices.Repeat([]string{":s 372 watcher :- hello"}, 1000)...) {
			}
		}, false, "does not come to the end"},
		"no greeting":     {plainly, func(c *talk) { c.hear("never") }, false, "has not accepted the login"},
		"no SASL":         {viaSASL, func(c *talk) { c.hear("CAP LS"); c.say(":s CAP * LS :away-notify"); c.hear("never") }, false, "has no SASL"},
		"other SASL":      {viaSASL, func(c *talk) { c.hear("CAP LS"); c.say(":s CAP * LS :sasl=EXTERNAL"); c.hear("never") }, false, "has no SASL"},
		"no capabilities": {viaSASL, func(c *talk) { c.greet("") }, false, "has no SASL"},
		"SASL not granted": {viaSASL, func(c *talk) {
			c.hear("CAP LS")
			c.say("CAP * LS sasl")
			c.hear("CAP REQ")
			c.say("CAP * NAK sasl")
			c.hear("CAP END")
			c.say("001")
		}, false, "has no SASL"},
		"wrong account": {viaSASL, func(c *talk) {
			c.hear("CAP LS")
			c.say(":s CAP * LS * :sasl", ":s CAP * LS :account-notify")
			c.hear("CAP REQ")
			c.say(":s CAP * ACK :sasl account-notify")
			c.hear("AUTHENTICATE PLAIN")
			c.say("AUTHENTICATE +")
			c.hear("AUTHENTICATE " + password)
			c.say(":s 904 * :I do not know " + password)
		}, true, "I do not know ***"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newSource(t, fake(t, test.script), app.NewIdentities(nil), func(c *Config) {
				c.TLS, c.Password, c.Nick = tlsNone, setting.NewSecret("the password"), "watcher"
				test.change(c)
			})
			if name == "no greeting" {
				source.limits.login = time.Second
			}
			err := observe(t, source).end(t, 15*time.Second)
			if errors.Is(err, ports.ErrRejected) != test.rejected || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v, want %q, rejected %v", err, test.want, test.rejected)
			}
			if text := err.Error(); strings.Contains(text, "the password") && name != "wrong password" || strings.Contains(text, password) || len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("the error is %q", text)
			}
		})
	}
}

// What is no answer, or lacks what belongs to it, changes nothing.
func TestNonsense(t *testing.T) {
	t.Parallel()
	var nonsense []string
	for number := range 1000 {
		if number == 433 || number == 464 {
			continue // these mean something during the login only
		}
		for _, parameters := range []string{"", " watcher", " watcher alice", " watcher :", " :,,,!=", " watcher alice,,!@ x"} {
			if number == 731 || number == 734 {
				parameters = strings.ReplaceAll(parameters, "alice", "mallory")
			}
			nonsense = append(nonsense, fmt.Sprintf(":irc.test %03d%s", number, parameters))
		}
	}
	for _, command := range []string{"CAP", "NICK", "AWAY", "ACCOUNT", "PONG", "AUTHENTICATE", "QUIT", "MODE"} {
		nonsense = append(nonsense, command, command+" :", ":alice "+command, ":watcher "+command+" :", "@a=b;c :mallory!x@y "+command+" :text", ":"+command)
	}
	nonsense = append(nonsense, "", ":", "@", " ", "\x00", "\xff\xfe", ":a", "@x :y")
	said := make(map[string]bool)
	o := watchFake(t, plainly, func(c *talk) {
		c.greet("CASEMAPPING= MONITOR=x MONITOR =y MONITOR=-1 MONITOR=5")
		c.serve(func(line string) []string {
			nonsense := nonsense
			if kind, _, _ := strings.Cut(line, " "); said[kind] {
				nonsense = nil // once is enough
			} else {
				said[kind] = true
			}
			switch {
			case strings.HasPrefix(line, "MONITOR + "):
				return append(slices.Clone(nonsense), ":irc.test 730 watcher :Alice!a@host", ":irc.test 731 watcher :bob,alice3")
			case strings.HasPrefix(line, "USERHOST"):
				return append(slices.Clone(nonsense), ":irc.test 302 watcher :alice=-a@host alice2=+x bob")
			case strings.HasPrefix(line, "WHOIS"):
				return append(slices.Clone(nonsense), ":irc.test 311 watcher alice a host * :a", ":irc.test 301 watcher alice :l\xfcnch\x07!")
			}
			return nil
		})
	})
	o.wantSynced(t)
	o.want(t, alice, "away l\uFFFDnch!")
	o.want(t, bob, "unavailable")
	if !utf8.ValidString(o.shown(alice)) {
		t.Error("the message is not valid UTF-8")
	}
}

// A server that does not answer is lost, even if it goes on talking; and Run ends with its context, even if nothing can be sent.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	scripts := map[string]func(c *talk){
		"silent": func(c *talk) { c.greet(""); c.hear("never") },
		"talking": func(c *talk) {
			c.greet("")
			for c.say("NOTICE watcher :hello") {
				time.Sleep(time.Millisecond)
			}
		},
		"trickling": func(c *talk) {
			c.greet("")
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = c.Write([]byte("x"))
			}
		},
		"pinging and not reading": func(c *talk) {
			c.greet("")
			for c.say(slices.Repeat([]string{"PING :" + strings.Repeat("x", 400)}, 100)...) {
			}
		},
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := impatient(newSource(t, fake(t, script), app.NewIdentities(nil), func(c *Config) { c.TLS = tlsNone; as("alice")(c) }))
			if err := observe(t, source).end(t, 15*time.Second); !strings.Contains(err.Error(), "lost the IRC server") {
				t.Errorf("Run = %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if err := source.Run(ctx, newObserver()); err == nil || time.Since(begin) > 3*time.Second { // the contract's test is stricter
				t.Errorf("Run = %v after %v", err, time.Since(begin))
			}
		})
	}
}

// With the limits of the product, a server that falls silent is noticed within the 30 seconds of the contract, whatever was asked before.
func TestSilenceIsNoticedInTime(t *testing.T) {
	l := defaultLimits
	for _, pace := range []time.Duration{l.pace, l.slow} {
		if longest := max(l.idle, (mostLines+1)*pace) + l.answer; longest > 28*time.Second {
			t.Errorf("with a line each %v it takes %v", pace, longest)
		}
	}
	if l.login+writeWithin > 28*time.Second {
		t.Errorf("a login takes %v", l.login)
	}
}

// What is sent is paced: never more than a batch without an answer, and a line each limits.pace. A server that complains is asked more slowly.
func TestPace(t *testing.T) {
	var nicks []string
	for i := range 100 {
		nicks = append(nicks, fmt.Sprint("user", i))
	}
	var batches, tooMany atomic.Int64
	var times [2]time.Duration // of the connections, with 20 nicks a batch
	connections := 0
	server := fake(t, func(c *talk) {
		c.greet("")
		begin, unanswered := time.Now(), 0
		for c.lines.Scan() {
			if unanswered++; unanswered > mostLines+1 {
				tooMany.Add(1)
			}
			token, isPing := strings.CutPrefix(c.lines.Text(), "PING :")
			if !isPing {
				continue
			}
			unanswered = 0
			if batches.Add(1)%5 == 0 { // all nicks were asked for
				times[connections] = time.Since(begin)
				connections++
				c.say("ERROR :Closing link: Excess Flood")
				return
			}
			c.say("PONG x " + token)
		}
	})
	source := newSource(t, server, app.NewIdentities(nil), func(c *Config) { c.TLS, c.PollEvery = tlsNone, time.Hour; as(nicks...)(c) })
	source.limits.pace, source.limits.slow = 5*time.Millisecond, 20*time.Millisecond
	for range times {
		if err := source.Run(t.Context(), newObserver()); !strings.Contains(err.Error(), "Excess Flood") {
			t.Fatal(err)
		}
	}
	if n := tooMany.Load(); n > 0 {
		t.Errorf("%d lines came before the others were answered", n)
	}
	for i, least := range []time.Duration{4 * 5 * 5 * time.Millisecond, 4 * 5 * 20 * time.Millisecond} {
		if times[i] < least {
			t.Errorf("connection %d: 25 lines within %v, want at least %v", i, times[i], least)
		}
	}
}

// A server that is busy and does not answer a WHOIS is asked again, and so is one that has MONITOR and is full before it said so.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	var whois atomic.Int64
	o := watchFake(t, func(c *Config) { c.RequireAccount = true }, func(c *talk) {
		c.greet("MONITOR")
		c.serve(func(line string) []string {
			switch {
			case strings.HasPrefix(line, "MONITOR"):
				return []string{":s 730 watcher :alice", ":s 734 watcher 1 bob :full"}
			case strings.HasPrefix(line, "USERHOST"):
				return []string{":s 302 watcher :alice=+a@h bob*=+b@h"}
			case strings.HasPrefix(line, "WHOIS") && whois.Add(1) < 6:
				return []string{":s 263 watcher WHOIS :Please wait a while and try again."}
			case strings.HasPrefix(line, "WHOIS alice"):
				return []string{":s 311 watcher alice a h * :A", ":s 330 watcher alice alice :is logged in as"}
			case strings.HasPrefix(line, "WHOIS bob"):
				return []string{":s 311 watcher bob b h * :B", ":s 330 watcher bob bob :is logged in as"}
			}
			return nil
		})
	})
	o.wantSynced(t)
	o.want(t, alice, "available")
	o.want(t, bob, "available")
}

// What the server tells by itself between an answer and the end of the batch is newer than the answer.
func TestNewsBehindAnswer(t *testing.T) {
	t.Parallel()
	who := []string{":s 311 watcher alice a h * :A", ":s 330 watcher alice alice :is logged in as", ":s 318 watcher alice :end"}
	for name, test := range map[string]struct {
		news []string
		want string
	}{
		"away":      {[]string{":alice!a@h AWAY :lunch"}, "away lunch"},
		"account":   {[]string{":alice!a@h ACCOUNT *"}, "unavailable"},
		"left":      {[]string{":s 731 watcher :alice"}, "unavailable"},
		"came back": {[]string{":s 731 watcher :alice", ":s 730 watcher :alice!a@h"}, "available"},
		"came away": {[]string{":s 731 watcher :alice", ":s 730 watcher :alice!a@h", ":alice!a@h AWAY :lunch"}, "available"}, // WHOIS is newer
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			o := watchFake(t, func(c *Config) { c.RequireAccount = true }, func(c *talk) {
				c.hear("CAP LS")
				c.say("CAP * LS :away-notify account-notify extended-monitor other")
				if line := c.hear("CAP REQ"); line != "CAP REQ :account-notify away-notify extended-monitor" {
					t.Errorf("the daemon says %q", line)
				}
				c.say("CAP * ACK :account-notify away-notify extended-monitor", ":s 001 watcher :Hello", ":s 005 watcher MONITOR", ":s 376 watcher :end")
				c.serve(func(line string) []string {
					switch {
					case strings.HasPrefix(line, "MONITOR + "):
						return []string{":s 730 watcher :alice!a@h", ":s 731 watcher :bob"}
					case strings.HasPrefix(line, "WHOIS alice") && asked.Add(1) == 1:
						return append(slices.Clone(who), test.news...)
					case strings.HasPrefix(line, "WHOIS alice"):
						return who
					}
					return nil
				})
			})
			o.wantSynced(t)
			o.want(t, alice, test.want)
			time.Sleep(100 * time.Millisecond) // it stays so for some polls
			o.want(t, alice, test.want)
		})
	}
}

// Somebody else who has the nick at the next poll is not its user, until the account says so.
func TestNickTakenBetweenPolls(t *testing.T) {
	t.Parallel()
	var taken atomic.Bool
	server := fake(t, func(c *talk) {
		c.greet("")
		c.serve(func(line string) []string {
			switch {
			case strings.HasPrefix(line, "USERHOST") && taken.Load():
				return []string{":s 302 watcher :alice=+m@elsewhere"}
			case strings.HasPrefix(line, "USERHOST"):
				return []string{":s 302 watcher :alice=+a@h"}
			case strings.HasPrefix(line, "WHOIS alice") && taken.Load():
				return []string{":s 311 watcher alice m elsewhere * :M"}
			case strings.HasPrefix(line, "WHOIS alice"):
				return []string{":s 311 watcher alice a h * :A", ":s 330 watcher alice alice :is logged in as"}
			}
			return nil
		})
	})
	source := newSource(t, server, app.NewIdentities(nil), func(c *Config) {
		c.TLS, c.Domain, c.Watch = tlsNone, "example.test", []string{"alice"}
		c.RequireAccount = true
	})
	source.limits.account = time.Hour // the account alone is not asked for again
	o := observe(t, source)
	o.want(t, alice, "available")
	taken.Store(true)
	o.want(t, alice, "unavailable")
}

// A nick that is no longer watched is no longer monitored, so that there is room for others.
func TestNotMonitoredAnyMore(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 10)
	server := fake(t, func(c *talk) {
		c.greet("MONITOR=2")
		c.serve(func(line string) []string {
			if strings.HasPrefix(line, "MONITOR") {
				heard <- line
				return []string{":s 731 watcher :ali,bob,carol"}
			}
			return nil
		})
	})
	ids := app.NewIdentities(identities(t, "ali=alice@example.test", "bob=bob@example.test"))
	observe(t, newSource(t, server, ids, func(c *Config) { c.TLS = tlsNone }))
	for _, want := range []string{"MONITOR + ali,bob", "MONITOR - ali", "MONITOR + carol"} {
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("the daemon says %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("the daemon does not say %q", want)
		}
		if want == "MONITOR + ali,bob" {
			ids.Replace(identities(t, "bob=bob@example.test", "carol=carol@example.test"))
		}
	}
}

// Who there is no room for is not watched, and a name that is no nick goes into no command.
func TestWhoIsNotWatched(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[string]
	ids := app.NewIdentities(identities(t, "ali=alice@example.test", "bob=bob@example.test", "a b,:z=carol@example.test", "!=dave@example.test"))
	server := fake(t, func(c *talk) {
		c.greet("")
		line := c.hear("USERHOST")
		asked.Store(&line)
		c.hear("never")
	})
	source := impatient(newSource(t, server, ids, func(c *Config) { c.TLS = tlsNone }))
	o := newObserver()
	o.most = 1
	if err := source.Run(t.Context(), o); err == nil || *asked.Load() != "USERHOST ali" {
		t.Errorf("asked %q: %v", *asked.Load(), err)
	}
	if name := "x\r\nQUIT"; isNick(name) || isNick("") || isNick(strings.Repeat("x", 1000)) || !isNick(`[W]^\{ö}|_-1`) {
		t.Error("isNick takes what is none, or refuses what is one")
	}
}

// The nicks of irc.watch have users by the configuration, so they are not listed as nobody's. One that a pattern fits has the pattern's user.
func TestWatchedNicksAreSomebodys(t *testing.T) {
	t.Parallel()
	table, err := domain.NewIdentities([]domain.Identity{
		{User: "u{number}@zarafa.com", Names: map[string][]string{"irc": {"phone{number}"}}}, {User: "alice@example.test", Names: map[string][]string{"irc": {"ali"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := app.NewIdentities(table)
	source := newSource(t, &realServer{address: "127.0.0.1:1"}, ids, func(c *Config) { c.TLS, c.Watch = tlsNone, []string{"bob", "phone12", "Ali"} })
	users := map[string]domain.UserID{}
	for _, p := range source.wanted(&server{}, "presence") {
		users[p.nick] = p.user
	}
	if want := map[string]domain.UserID{"ali": "alice@example.test", "bob": "bob@example.test", "phone12": "u12@zarafa.com"}; !maps.Equal(users, want) {
		t.Errorf("watched are %v, want %v", users, want)
	}
	if names, others := ids.Unmapped(); len(names) > 0 || others > 0 {
		t.Errorf("%v and %d others are nobody's", names, others)
	}
}
