package irc

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContract runs the suite of every source against a real server.
func TestContract(t *testing.T) {
	portstest.Source(t, func(t testing.TB) portstest.SourceStage {
		server := startServer(t)
		users := make(map[domain.UserID]*user)
		from := func(change func(*Config)) func(testing.TB) ports.Source {
			return func(t testing.TB) ports.Source { return newSource(t, server, change) }
		}
		return portstest.SourceStage{
			Source:      from(func(*Config) {}),
			Refused:     from(func(c *Config) { c.Password = setting.NewSecret("a wrong one") }),
			Unreachable: from(func(c *Config) { c.Host = freeport.Address(t) }),
			Silent:      from(func(c *Config) { c.Host = listenSilently(t) }),
			Secrets:     []string{"a wrong one", serverPassword},
			Users:       [2]domain.UserID{"alice@example.test", "bob@example.test"},
			Devices:     []string{"client"}, // a nick is one device
			Statuses:    []domain.Status{domain.Available, domain.Away},
			Show: func(t testing.TB, id domain.UserID, _ string, status domain.Status, _ string) {
				if users[id] == nil {
					users[id] = server.login(t, nicks[id])
				}
				users[id].away(t, status == domain.Away)
			},
			Leave: func(t testing.TB, id domain.UserID, _ string) {
				users[id].quit(t)
				delete(users, id)
			},
			Hang: server.hang,
			Cut: func(testing.TB) {
				server.kill()
				clear(users)
			},
			Restart: server.start,
		}
	})
}

// nicks are the users' names at the server, which keeps their case.
var nicks = map[domain.UserID]string{"alice@example.test": "Alice", "bob@example.test": "Bob"}

// sources counts, so that each has a nick of its own: the server frees that of the one before only after a moment.
var sources atomic.Int64

func newSource(t testing.TB, server *server, change func(*Config)) ports.Source {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Roots, c.Password, c.Domain, c.Watch = server.address, server.roots, setting.NewSecret(serverPassword), "example.test", []string{"Alice", "bob"}
	c.Nick = fmt.Sprint("watcher", sources.Add(1))
	c.PollEvery = 50 * time.Millisecond
	change(&c)
	source, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// listenSilently returns the address of a server that accepts connections and says nothing.
func listenSilently(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the system accepts
}
