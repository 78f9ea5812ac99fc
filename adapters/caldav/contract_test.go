package caldav

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// TestContract runs the suite of every source against radicale. keep is 0: a source that goes on without its server would not notice the end of it for the
// suite.
func TestContract(t *testing.T) {
	portstest.Source(t, func(t testing.TB) portstest.SourceStage {
		server := startRadicale(t)
		for _, user := range []string{"alice", "Bob"} {
			server.makeCalendar(t, user, "work", "VEVENT")
			server.makeCalendar(t, user, "tasks", "VTODO")
		}
		account := map[domain.UserID]string{"alice@example.test": "alice", "bob@example.test": "Bob"}
		shown := make(map[string]bool)
		leave := func(t testing.TB, user string) {
			server.remove(t, user, "1")
			delete(shown, user)
		}
		from := func(change func(*Config)) func(testing.TB) ports.Source {
			return func(t testing.TB) ports.Source {
				s, _ := newTestSource(t, namesOf(alice, bob), func(c *Config) {
					c.URL, c.Message, c.Keep = "http://"+server.address, MessageTitle, 0
					change(c)
				})
				return s
			}
		}
		return portstest.SourceStage{
			Source:      from(func(*Config) {}),
			Refused:     from(func(c *Config) { c.Password = setting.NewSecret("a wrong one") }),
			Unreachable: from(func(c *Config) { c.URL = "http://" + freeport.Address(t) }),
			Silent:      from(func(c *Config) { c.URL = "http://" + listenSilently(t) }),
			Secrets:     []string{"a wrong one", testPassword},
			Users:       [2]domain.UserID{"alice@example.test", "bob@example.test"},
			Devices:     []string{device}, // a user has one calendar here
			Statuses:    []domain.Status{domain.Busy, domain.Away},
			Messages:    true,
			Show: func(t testing.TB, id domain.UserID, _ string, status domain.Status, message string) {
				event := "SUMMARY:" + strings.ReplaceAll(message, ",", `\,`)
				if message == "" {
					event += "It is private\nCLASS:PRIVATE"
				}
				if status == domain.Away {
					event += "\nX-MICROSOFT-CDO-BUSYSTATUS:OOF"
				}
				server.put(t, account[id], "1", around(time.Hour, time.Hour, event))
				shown[account[id]] = true
			},
			Leave: func(t testing.TB, id domain.UserID, _ string) { leave(t, account[id]) },
			Hang: func(t testing.TB) {
				server.process.Freeze()
				t.Cleanup(server.process.Thaw)
			},
			Cut: func(t testing.TB) {
				for user := range shown {
					leave(t, user)
				}
				server.process.Kill()
			},
			Restart: server.start,
		}
	})
}

// listenSilently accepts connections and never says anything.
func listenSilently(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}
