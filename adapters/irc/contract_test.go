package irc

import (
	"flag"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// The tests wait for servers rather than for the processor, so that many can run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "30")
	goleak.VerifyTestMain(m)
}

// TestContract runs the suite of every source against real servers.
func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("ngircd", func(t *testing.T) {
		t.Parallel()
		portstest.Source(t, func(t testing.TB) portstest.SourceStage { return stage(t, startNgircd(t)) })
	})
	t.Run("inspircd", func(t *testing.T) {
		t.Parallel()
		portstest.Source(t, func(t testing.TB) portstest.SourceStage { return stage(t, startInspircd(t, 30)) })
	})
}

// stage is what the suite needs of a server. The nicks are those of identities and of irc.watch.
func stage(t testing.TB, server *realServer) portstest.SourceStage {
	users := make(map[domain.UserID]*user) // who has been there
	from := func(change func(*Config)) func(testing.TB) ports.Source {
		return func(t testing.TB) ports.Source {
			return impatient(newSource(t, server, app.NewIdentities(identities(t, "Ali=alice@example.test")), func(c *Config) {
				c.Watch = []string{"bob"}
				change(c)
			}))
		}
	}
	return portstest.SourceStage{
		Source: from(func(*Config) {}),
		Refused: from(func(c *Config) {
			c.Password = setting.NewSecret("a wrong one")
			if server.services != nil {
				c.SASL = saslPlain
			}
		}),
		Unreachable: from(func(c *Config) { c.Host = freeport.Address(t) }),
		Silent:      from(func(c *Config) { c.Host = listenSilently(t) }),
		Secrets:     []string{"a wrong one", serverPassword, accountPassword},
		Users:       [2]domain.UserID{"alice@example.test", "bob@example.test"},
		Devices:     []string{"client"}, // a nick is one device
		Statuses:    []domain.Status{domain.Available, domain.Away},
		Show: func(t testing.TB, id domain.UserID, _ string, status domain.Status, _ string) {
			if users[id] == nil {
				users[id] = server.login(t, nickOf[id])
				if server.services != nil {
					server.services.logIn(t, nickOf[id], nickOf[id])
				}
			}
			text := map[domain.Status]string{domain.Away: "\x02"} // "bold", of nothing
			users[id].away(t, text[status])
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
}

// nickOf has the users' names at the server, which keeps their case.
var nickOf = map[domain.UserID]string{"alice@example.test": "Ali", "bob@example.test": "Bob"}

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
