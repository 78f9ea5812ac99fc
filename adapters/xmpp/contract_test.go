package xmpp

import (
	"net"
	"testing"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// TestContract runs the suite of every source against each real server. Only the one that says nothing is a fake.
func TestContract(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		portstest.Source(t, func(t *testing.T) portstest.SourceStage {
			server.Login(t, "alice", "laptop")
			from := func(change func(*Config)) func(*testing.T) ports.Source {
				return func(t *testing.T) ports.Source { return newSource(t, server, change) }
			}
			return portstest.SourceStage{
				Source:      from(nil),
				Online:      "alice@example.test",
				Refused:     from(func(c *Config) { c.Password = setting.NewSecret("a wrong one") }),
				Unreachable: from(func(c *Config) { c.Host = freeport.Address(t) }),
				Silent: func(t *testing.T) ports.Source {
					return newFake(t, func(_ *fake, conn net.Conn) { hang(conn) }).source(t, nil)
				},
				Cut: func(t *testing.T) {
					server.Kill()
					server.Restart(t)
					server.Login(t, "alice", "laptop")
				},
			}
		})
	})
}
