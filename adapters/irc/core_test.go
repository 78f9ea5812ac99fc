package irc

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
)

// watched is a source with the use cases behind it, as in the daemon.
type watched struct {
	core *coretest.Core
	log  *syncbuffer.Buffer
}

// watch runs a source over a core until the test ends.
func watch(t *testing.T, source *Source) *watched {
	t.Helper()
	w := &watched{core: coretest.Start(t), log: &syncbuffer.Buffer{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	supervisor, err := app.NewSupervisor([]ports.Source{source}, w.core.Core, memory.NewJournal(), clock.New(), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { supervisor.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

// want waits until a reader sees users as given: "unknown", or status and message, and whether that is stale.
func (w *watched) want(t *testing.T, want map[domain.UserID]string) {
	t.Helper()
	eventually(t, func() error {
		for user, want := range want {
			if got := w.show(user); got != want {
				return fmt.Errorf("%s is %q, want %q\n%s", user, got, want, w.log)
			}
		}
		return nil
	})
}

func (w *watched) show(user domain.UserID) string {
	p, known := w.core.Presences(user).At(clock.New().Now()).On(Protocol)
	text := strings.TrimSpace(p.Status.String() + " " + p.Message)
	switch {
	case !known:
		return "unknown"
	case p.Stale:
		return text + " (stale)"
	}
	return text
}

// When the server is lost, everybody is kept, stale. When it is back, who is there then is there, and who has left is gone.
func TestServerLost(t *testing.T) {
	t.Parallel()
	for _, start := range []func(testing.TB) *realServer{startNgircd, func(t testing.TB) *realServer { return startInspircd(t, 30) }} {
		server := start(t)
		t.Run(server.program, func(t *testing.T) {
			t.Parallel()
			bobs := server.login(t, "bob")
			server.login(t, "alice").away(t, "lunch")
			w := watch(t, impatient(newSource(t, server, app.NewIdentities(nil), as("alice", "bob", "carol"))))
			w.want(t, map[domain.UserID]string{alice: "away lunch", bob: "available", "carol@example.test": "unavailable"})

			server.process.Freeze()
			w.want(t, map[domain.UserID]string{alice: "away lunch (stale)", bob: "available (stale)"})
			_ = bobs.conn.Close() // the server sees it when it goes on
			server.process.Thaw()
			w.want(t, map[domain.UserID]string{alice: "away lunch", bob: "unavailable"})

			server.kill()
			w.want(t, map[domain.UserID]string{alice: "away lunch (stale)"})
			server.start(t)
			server.login(t, "bob")
			w.want(t, map[domain.UserID]string{alice: "unavailable", bob: "available", "carol@example.test": "unavailable"})
		})
	}
}

// On a line that is slow everybody shows what they do, a little later, and nobody is lost.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	for _, start := range []func(testing.TB) *realServer{startNgircd, func(t testing.TB) *realServer { return startInspircd(t, 30) }} {
		server := start(t)
		t.Run(server.program, func(t *testing.T) {
			t.Parallel()
			proxy := faultproxy.Start(t, server.address)
			proxy.Slow(20 * time.Millisecond)
			through := &realServer{address: proxy.Addr(), roots: server.roots, services: server.services}
			o := observe(t, newSource(t, through, app.NewIdentities(nil), as("alice", "bob")))
			o.wantSynced(t)
			user := server.login(t, "alice")
			o.want(t, alice, "available")
			user.away(t, "lunch")
			o.want(t, alice, "away lunch")
			user.quit(t)
			o.want(t, alice, "unavailable")
		})
	}
}
