package irc

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

const (
	alice = domain.UserID("alice@example.test")
	bob   = domain.UserID("bob@example.test")
)

// as is a change of a configuration: these nicks are watched, whether they have an account or not.
func as(nicks ...string) func(*Config) {
	return func(c *Config) { c.Watch, c.RequireAccount = nicks, false }
}

// What somebody who is away says is the message, and makes busy if it has such a word; each change shows.
func TestAway(t *testing.T) {
	t.Parallel()
	for _, start := range []func(testing.TB) *realServer{startNgircd, func(t testing.TB) *realServer { return startInspircd(t, 30) }} {
		server := start(t)
		t.Run(server.program, func(t *testing.T) {
			t.Parallel()
			o := observe(t, newSource(t, server, app.NewIdentities(nil), as("alice")))
			o.wantSynced(t)
			o.want(t, alice, "unavailable")
			user := server.login(t, "Alice")
			o.want(t, alice, "available")
			for _, step := range []struct{ text, want string }{
				{"lunch", "away lunch"}, {"\x02tea\x02 & \x034cake", "away tea & cake"}, {"In a Meeting", "busy In a Meeting"},
				{"meetings are over", "away meetings are over"}, {"", "available"}, {"dnd", "busy dnd"},
			} {
				user.away(t, step.text)
				o.want(t, alice, step.want)
			}
			user.quit(t)
			o.want(t, alice, "unavailable")
			want := []string{"unavailable", "available", "away lunch", "away tea & cake", "busy In a Meeting", "away meetings are over", "available", "busy dnd", "unavailable"}
			if got := o.shownSoFar(alice); !slices.Equal(got, want) {
				t.Errorf("alice was %q, want %q", got, want)
			}
		})
	}
}

// A nick is its user's only while it is logged in to the account of that name, or of another nick of the user.
func TestAccount(t *testing.T) {
	t.Parallel()
	for name, monitors := range map[string]int{"monitored": 30, "asked": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startInspircd(t, monitors)
			table := app.NewIdentities(identities(t, "bob=bob@example.test", "Ali,Lissy=alice@example.test"))
			source := newSource(t, server, table, func(*Config) {})
			o := observe(t, source)
			o.wantSynced(t)
			bobs := server.login(t, "Bob")
			user := server.login(t, "ali")
			server.services.logIn(t, "bob", "BOB")
			o.want(t, bob, "available")
			o.want(t, alice, "unavailable")
			for _, step := range []struct{ account, want string }{{"bob", "unavailable"}, {"ALI", "available"}, {"", "unavailable"}, {"lissy", "available"}, {"mallory", "unavailable"}} {
				server.services.logIn(t, "ali", step.account)
				o.want(t, alice, step.want)
				if step.want == "unavailable" {
					server.services.logIn(t, "bob", "") // this is seen later than what is wrong would be
					o.want(t, bob, "unavailable")
					o.want(t, alice, "unavailable")
					server.services.logIn(t, "bob", "bob")
					o.want(t, bob, "available")
				}
			}
			server.services.logIn(t, "ali", "ali")
			o.want(t, alice, "available")
			user.takes(t, "somebody") // and somebody else takes the nick
			o.want(t, alice, "unavailable")
			bobs.takes(t, "ali")
			o.want(t, bob, "unavailable")
			o.want(t, alice, "unavailable")
		})
	}
}

// If there are more nicks than the server monitors, it is asked for the others again and again.
func TestMoreThanTheServerMonitors(t *testing.T) {
	t.Parallel()
	server := startInspircd(t, 3)
	var nicks []string
	for i := range 12 {
		nicks = append(nicks, fmt.Sprint("user", i))
	}
	o := observe(t, newSource(t, server, app.NewIdentities(nil), as(nicks...)))
	o.wantSynced(t)
	user := server.login(t, "somebody")
	for _, nick := range nicks {
		id := domain.UserID(nick + "@example.test")
		user.takes(t, nick)
		o.want(t, id, "available")
		user.away(t, "tea")
		o.want(t, id, "away tea")
		user.takes(t, "somebody")
		o.want(t, id, "unavailable")
		user.away(t, "")
	}
}

// When identities change, new nicks are watched, and users without one are forgotten: at once, and also if there was no connection then.
func TestIdentitiesChange(t *testing.T) {
	t.Parallel()
	for _, start := range []func(testing.TB) *realServer{startNgircd, func(t testing.TB) *realServer { return startInspircd(t, 2) }} {
		server := start(t)
		t.Run(server.program, func(t *testing.T) {
			t.Parallel()
			ids := app.NewIdentities(identities(t, "ali,al=alice@example.test", "carol=carol@example.test"))
			source := newSource(t, server, ids, func(c *Config) { c.RequireAccount = false })
			o := observe(t, source)
			for _, nick := range []string{"ali", "carol", "bob"} {
				server.login(t, nick)
			}
			o.want(t, alice, "available")
			o.want(t, "carol@example.test", "available")
			o.want(t, bob, "unknown")
			ids.Replace(identities(t, "ali=bob@example.test", "al=alice@example.test")) // ali is somebody else's now
			o.want(t, bob, "available")
			o.want(t, alice, "unavailable")
			o.want(t, "carol@example.test", "unknown")
			ids.Replace(identities(t, "carol=carol@example.test"))
			o.want(t, bob, "unknown")
			o.want(t, alice, "unknown")
			o.want(t, "carol@example.test", "available")
			server.kill()
			_ = o.end(t, 2*time.Second)
			ids.Replace(nil)
			server.start(t)
			again := newObserver()
			again.Known("carol@example.test")
			if err := source.Run(t.Context(), forgetting{again, server.kill}); err == nil || again.shown("carol@example.test") != "unknown" {
				t.Errorf("carol, who no longer has a nick, is %s after a new connection", again.shown("carol@example.test"))
			}
		})
	}
}

// forgetting kills the server when everybody has been reported.
type forgetting struct {
	*observer
	kill func()
}

func (f forgetting) Synced() { f.kill() }

// Five hundred nicks on a server without MONITOR, and on one that monitors some of them.
func TestManyNicks(t *testing.T) {
	t.Parallel()
	for _, start := range []func(testing.TB) *realServer{startNgircd, func(t testing.TB) *realServer { return startInspircd(t, 100) }} {
		server := start(t)
		t.Run(server.program, func(t *testing.T) { watchMany(t, server) })
	}
}

func watchMany(t *testing.T, server *realServer) {
	const many, workers = 500, 100 // inspircd lets somebody in after a second
	var nicks []string
	users := make([]*user, many)
	for i := range many {
		nicks = append(nicks, fmt.Sprint("user", i))
	}
	var logins sync.WaitGroup
	for worker := range workers {
		logins.Go(func() {
			for i := worker; i < many; i += workers {
				if users[i] = server.login(t, nicks[i]); i%10 == 0 {
					users[i].away(t, "call "+nicks[i])
				}
			}
		})
	}
	logins.Wait()
	o := observe(t, newSource(t, server, app.NewIdentities(nil), as(nicks...)))
	o.wantSynced(t)
	status := func(i int) string {
		if i%10 == 0 {
			return "busy call " + nicks[i]
		}
		return "available"
	}
	for i, nick := range nicks {
		o.want(t, domain.UserID(nick+"@example.test"), status(i))
	}
	for i := 0; i < many; i += 2 {
		_ = users[i].conn.Close()
	}
	for i, nick := range nicks {
		want := status(i)
		if i%2 == 0 {
			want = "unavailable"
		}
		o.want(t, domain.UserID(nick+"@example.test"), want)
	}
}

// The daemon's nick may be taken; a watched nick that is its own is nobody's; and it logs in to its account.
func TestOwnNick(t *testing.T) {
	t.Parallel()
	server := startInspircd(t, 30)
	taken := server.login(t, "presence")
	source := newSource(t, server, app.NewIdentities(nil), func(c *Config) {
		c.Nick, c.SASL, c.Password = "watcher", saslPlain, setting.NewSecret(accountPassword)
		as("watcher", "presence", "presence1")(c)
	})
	o := observe(t, source)
	o.want(t, "presence@example.test", "available")
	o.want(t, "watcher@example.test", "unknown")
	taken.does(t, " 330 presence watcher watcher ", "WHOIS watcher")
	other := newSource(t, server, app.NewIdentities(nil), func(c *Config) { c.Nick = "presence"; as("watcher")(c) })
	observe(t, other).want(t, "watcher@example.test", "available")
	o.want(t, "presence1@example.test", "available")
}
