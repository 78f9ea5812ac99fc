package caldav

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/ports"
)

// startCore starts the use cases with a source. What it returns waits until readers see of alice and Bob what is given.
func startCore(t *testing.T, source *Source) (want func(alice, bob string)) {
	t.Helper()
	core := coretest.Start(t)
	supervisor, err := app.NewSupervisor([]ports.Source{source}, core.Core, memory.NewJournal(), clock.New(), source.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { supervisor.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	see := func(user domain.UserID) string {
		p, known := core.Presences(user).At(clock.New().Now()).On(Protocol)
		switch {
		case !known:
			return "nothing"
		case p.Stale:
			return fmt.Sprint(p.Status, " ", p.Activity, " (stale)")
		}
		return fmt.Sprint(p.Status, " ", p.Activity)
	}
	return func(wantAlice, wantBob string) {
		t.Helper()
		eventually(t, fmt.Sprintf("alice is %q and Bob is %q", wantAlice, wantBob), func() bool { return see(alice.User) == wantAlice && see(bob.User) == wantBob })
	}
}

// The server is killed, freezes and is slow: what readers see goes on, meetings begin and end, it is stale after a while, and current when the server is back.
func TestReadersSeeMeetings(t *testing.T) {
	t.Parallel()
	for _, start := range bothServers {
		server := start(t)
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			seeMeetings(t, server)
		})
	}
}

func seeMeetings(t *testing.T, server *calServer) {
	for _, user := range []string{"alice", "Bob"} {
		server.makeCalendar(t, user, "work", "VEVENT")
	}
	line := faultproxy.Start(t, server.address)
	source, _ := newTestSource(t, namesOf(alice, bob), func(c *Config) {
		c.URL, c.Homes, c.StaleAfter = "http://"+line.Addr(), server.home, 2*time.Second
	})
	want := startCore(t, source)
	server.put(t, "alice", "1", around(time.Hour, time.Hour, ""))
	want("busy meeting", "nothing")
	server.put(t, "Bob", "1", around(-8*time.Second, time.Hour, "X-MICROSOFT-CDO-BUSYSTATUS:OOF"))
	time.Sleep(4 * source.config.Refresh) // it is read
	server.process.Kill()
	want("busy meeting (stale)", "nothing")
	want("busy meeting (stale)", "away vacation (stale)") // it begins
	server.start(t)
	want("busy meeting", "away vacation")
	server.remove(t, "alice", "1")
	want("nothing", "away vacation")
	server.process.Freeze()
	want("nothing", "away vacation (stale)")
	server.process.Thaw()
	want("nothing", "away vacation")
	line.Slow(20 * time.Millisecond)
	server.remove(t, "Bob", "1")
	server.put(t, "alice", "2", around(time.Hour, time.Hour, ""))
	want("busy meeting", "nothing")
}
