package xmpp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/xmpptest"
)

// Synced comes when nobody was confirmed for sweep_after, and after stale_after at the latest.
func TestSweepWaitsForThoseWhoAreConfirmed(t *testing.T) {
	falling := make([]int, 100)
	for i := range falling {
		falling[i] = 100 - i
	}
	tests := []struct {
		name  string
		left  []int // whenever the session asks
		sweep time.Duration
		want  time.Duration
	}{
		{"nobody is left", nil, 10 * time.Second, 10 * time.Second},
		{"none of them comes", []int{5, 5}, 10 * time.Second, 10 * time.Second},
		{"some come", []int{5, 3, 1, 1}, 10 * time.Second, 30 * time.Second},
		{"all come", []int{5, 3, 0, 0}, 10 * time.Second, 30 * time.Second},
		{"there is no end", falling, 10 * time.Second, time.Minute},
		{"a long sweep_after", falling, 2 * time.Minute, 2 * time.Minute},
		{"no sweep_after", nil, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := lone(t, func(c *Config) { c.SweepAfter, c.StaleAfter = test.sweep, time.Minute })
				r.left = test.left
				begun, lost, gone := time.Now(), make(chan error), errors.New("gone")
				var waiting sync.WaitGroup
				waiting.Go(func() {
					if err := s.wait(t.Context(), lost); !errors.Is(err, gone) {
						t.Errorf("wait = %v", err)
					}
				})
				close(s.ready)
				for synctest.Wait(); r.calledSynced() == 0 && time.Since(begun) < time.Hour; synctest.Wait() {
					time.Sleep(time.Second)
				}
				if got := time.Since(begun); got != test.want {
					t.Errorf("Synced came after %v, want %v", got, test.want)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := r.calledSynced(); n != 1 {
					t.Errorf("Synced was called %d times", n)
				}
				lost <- gone
				waiting.Wait()
			})
		})
	}
}

// crowd is many users who are online, and come back as fast as the server lets them.
type crowd struct {
	server  *xmpptest.Server
	names   []string
	clients []*xmpptest.Client
}

// join connects everybody, a few at a time, until all are connected or the time is up.
func (c *crowd) join(t *testing.T) {
	t.Helper()
	c.clients = make([]*xmpptest.Client, len(c.names))
	var next atomic.Int64
	var joining sync.WaitGroup
	for range 8 {
		joining.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(c.names); i = int(next.Add(1)) - 1 {
				client, err := c.server.Connect(c.names[i], "laptop")
				for deadline := time.Now().Add(2 * time.Minute); err != nil && time.Now().Before(deadline); {
					client, err = c.server.Connect(c.names[i], "laptop")
				}
				if err != nil {
					t.Error(err)
					return
				}
				c.clients[i] = client
			}
		})
	}
	joining.Wait()
}

// leave cuts everybody's connection.
func (c *crowd) leave() {
	for _, client := range c.clients {
		if client != nil {
			client.Cut()
		}
	}
}

// A server restarts with 1,000 users online, and all of them come back: none of them is shown as unavailable, although the last of them is there
// much later than sweep_after.
func TestServerRestartsWithManyUsers(t *testing.T) {
	const users = 1000
	names := make([]string, users)
	for i := range names {
		names[i] = fmt.Sprintf("user%d", i)
	}
	server := xmpptest.Start(t, xmpptest.Ejabberd, xmpptest.Options{Users: names})
	everybody := &crowd{server: server, names: names}
	everybody.join(t)
	t.Cleanup(func() { everybody.leave() })

	core := coretest.Start(t)
	w := watch(t, core, newSource(t, server, func(c *Config) { c.SweepAfter, c.StaleAfter = time.Second, 5*time.Minute }))
	count := func(status domain.Status) (n int) {
		for _, name := range names {
			if p, known := core.Presences(domain.UserID(server.JID(name))).On(Protocol); known && p.Status == status {
				n++
			}
		}
		return n
	}
	w.wantState(t, domain.SourceSynced)
	eventually(t, func() error {
		if n := count(domain.Available); n != users {
			return fmt.Errorf("%d of %d users are available", n, users)
		}
		return nil
	})

	server.Stop(t)
	everybody.leave()
	server.Restart(t)
	everybody.join(t)
	most := 0
	for deadline := time.Now().Add(2 * time.Minute); w.supervisor.Statuses()[0].State != domain.SourceSynced; time.Sleep(20 * time.Millisecond) {
		if most = max(most, count(domain.Unavailable)); time.Now().After(deadline) {
			t.Fatalf("the source is not in sync\n%s", w.log)
		}
	}
	time.Sleep(time.Second) // what Synced makes of everybody is written
	if most = max(most, count(domain.Unavailable)); most > 0 {
		t.Errorf("%d of %d users were shown as unavailable\n%s", most, users, w.log)
	}
}
