package xmpp

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
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/ports"
)

// watched is a source with the use cases behind it, as in the daemon.
type watched struct {
	core       *coretest.Core
	supervisor *app.Supervisor
	log        *logged
	stop       func() // ends the supervisor, not the core
}

// watch runs a source over a core until the test ends or calls stop.
func watch(t *testing.T, core *coretest.Core, source *Source) *watched {
	t.Helper()
	w := &watched{core: core, log: &logged{}}
	var err error
	w.supervisor, err = app.NewSupervisor([]ports.Source{source}, core.Core, memory.NewJournal(), clock.New(), slog.New(slog.NewTextHandler(w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.supervisor.Run(ctx) })
	w.stop = func() { cancel(); running.Wait() }
	t.Cleanup(w.stop)
	return w
}

// show returns what a reader sees of a user: "unknown", or status and message, and whether that is stale.
func (w *watched) show(user string) string {
	p, known := w.core.Presences(domain.UserID(user)).At(clock.New().Now()).On(Protocol)
	switch {
	case !known:
		return "unknown"
	case p.Stale:
		return strings.TrimSpace(p.Status.String()+" "+p.Message) + " (stale)"
	}
	return strings.TrimSpace(p.Status.String() + " " + p.Message)
}

// want waits until a reader sees a user as given.
func (w *watched) want(t *testing.T, user, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := w.show(user); got != want {
			return fmt.Errorf("%s is %q, want %q\n%s", user, got, want, w.log)
		}
		return nil
	})
}

// wantState waits until the source is in a state.
func (w *watched) wantState(t *testing.T, want domain.SourceState) {
	t.Helper()
	eventually(t, func() error {
		if got := w.supervisor.Statuses()[0].State; got != want {
			return fmt.Errorf("the source is %v, want %v\n%s", got, want, w.log)
		}
		return nil
	})
}

// A device that comes after the login and leaves before Synced is gone at once, also if an earlier run has left its user online. Whoever an
// earlier run has left, and is not seen, waits for the sweep.
func TestLeavingBeforeSynced(t *testing.T) {
	for _, seeing := range []xmpptest.Seeing{xmpptest.Group, xmpptest.Privilege} {
		t.Run(fmt.Sprint(seeing), func(t *testing.T) {
			test := func(t *testing.T, server *xmpptest.Server) {
				core := coretest.Start(t)
				for _, user := range []domain.UserID{"bob@example.test", "carol@example.test"} {
					core.Change(t, user, Protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
						return old.Observe(domain.Shown{Status: domain.Available, Message: "before"}, domain.ExpiryPolicy{}, now)
					})
				}
				w := watch(t, core, newSource(t, server, func(c *Config) { c.SweepAfter = time.Minute }))
				w.wantState(t, domain.SourceConnected)
				for _, leave := range []func(c *xmpptest.Client){func(c *xmpptest.Client) { c.Leave("bye") }, (*xmpptest.Client).Cut} {
					for _, user := range []string{"alice", "bob"} {
						client := server.Login(t, user, "laptop")
						w.want(t, server.JID(user), "available")
						leave(client)
						w.want(t, server.JID(user), "unavailable")
					}
				}
				w.want(t, "carol@example.test", "available before (stale)") // within some seconds, because nobody has confirmed it
			}
			if seeing == xmpptest.Privilege {
				test(t, xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{Seeing: seeing}))
				return
			}
			each(t, xmpptest.Options{Seeing: seeing}, test)
		})
	}
}
