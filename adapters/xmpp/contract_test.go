package xmpp

import (
	"net"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// TestContract runs the suite of every source against each real server. Only the server that never says anything is a fake.
func TestContract(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		portstest.Source(t, func(t testing.TB) portstest.SourceStage { return contractStage(t, server) })
	})
}

// shows is the show element for each status.
var shows = map[domain.Status]string{domain.Busy: "dnd", domain.Available: "", domain.Away: "xa"}

func contractStage(t testing.TB, server *xmpptest.Server) portstest.SourceStage {
	const wrong = "a wrong one"
	clients := make(map[string]*xmpptest.Client) // by user and device
	from := func(change func(*Config)) func(testing.TB) ports.Source {
		return func(t testing.TB) ports.Source { return newSource(t, server, change) }
	}
	return portstest.SourceStage{
		Source:      from(func(c *Config) { c.SweepAfter = 500 * time.Millisecond }),
		Refused:     from(func(c *Config) { c.Password = setting.NewSecret(wrong) }),
		Unreachable: from(func(c *Config) { c.Host = freeport.Address(t) }),
		Silent: func(t testing.TB) ports.Source {
			return newFake(t, func(_ *fake, conn net.Conn) { hang(conn) }).source(t, nil)
		},
		Secrets:  []string{wrong, server.Password(xmpptest.Observer)},
		Users:    [2]domain.UserID{"alice@example.test", "bob@example.test"},
		Devices:  []string{"laptop", "phone"},
		Statuses: []domain.Status{domain.Busy, domain.Available, domain.Away},
		Messages: true,
		Show: func(t testing.TB, user domain.UserID, device string, status domain.Status, message string) {
			account, _ := user.Split()
			client := clients[account+device]
			if client == nil {
				client = server.Login(t, account, device)
				clients[account+device] = client
			}
			client.Show(shows[status], message)
		},
		Leave: func(_ testing.TB, user domain.UserID, device string) {
			account, _ := user.Split()
			clients[account+device].Leave("")
			delete(clients, account+device)
		},
		Hang: func(t testing.TB) {
			server.Freeze()
			t.Cleanup(server.Thaw)
		},
		Cut: func(testing.TB) {
			server.Kill()
			clear(clients)
		},
		Restart: func(t testing.TB) { server.Restart(t) },
	}
}
