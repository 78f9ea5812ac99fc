package asterisk

import (
	"net"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// contractPeople: alice has two extensions.
var contractPeople = people{"4711@default": "alice@example.test", "4712@default": "alice@example.test", "4721@default": "bob@example.test"}

// extensionOf maps a user and a device of the suite to an extension.
func extensionOf(user domain.UserID, device string) string {
	if user == "bob@example.test" {
		return "4721"
	}
	return map[string]string{"desk": "4711", "home": "4712"}[device]
}

// TestContract runs the suite of every source against the fake, once with presence states and once with telephones.
func TestContract(t *testing.T) {
	t.Run("presence states", func(t *testing.T) {
		t.Parallel()
		states := map[domain.Status]string{domain.Busy: "dnd", domain.Available: "chat", domain.Away: "xa"}
		portstest.Source(t, func(t testing.TB) portstest.SourceStage {
			f, stage := contractStage(t)
			stage.Statuses, stage.Messages = []domain.Status{domain.Busy, domain.Available, domain.Away}, true
			stage.Show = func(_ testing.TB, user domain.UserID, device string, status domain.Status, message string) {
				f.SetPresence(extensionOf(user, device), states[status], message)
			}
			stage.Leave = func(_ testing.TB, user domain.UserID, device string) {
				f.SetPresence(extensionOf(user, device), "not_set", "")
			}
			return stage
		})
	})
	t.Run("telephones", func(t *testing.T) {
		t.Parallel()
		states := map[domain.Status]int{domain.Busy: 1, domain.Available: 0}
		portstest.Source(t, func(t testing.TB) portstest.SourceStage {
			f, stage := contractStage(t)
			stage.Statuses = []domain.Status{domain.Busy, domain.Available}
			stage.Show = func(_ testing.TB, user domain.UserID, device string, status domain.Status, _ string) {
				f.SetStatus(extensionOf(user, device), states[status])
			}
			stage.Leave = func(_ testing.TB, user domain.UserID, device string) { f.SetStatus(extensionOf(user, device), 4) }
			return stage
		})
	})
}

func contractStage(t testing.TB) (*asterisktest.Server, portstest.SourceStage) {
	const wrong = "a wrong one"
	f := asterisktest.Start(t)
	f.Change(func(s *asterisktest.State) { s.Hints = contractHints() })
	from := func(change func(*Config)) func(testing.TB) ports.Source {
		return func(t testing.TB) ports.Source {
			source := newSource(t, f.Addr(), contractPeople, func(c *Config) { c.Idle = saysAvailable; change(c) })
			source.limits.ping, source.limits.answer = time.Second, time.Second // TestSilence has the real ones
			return source
		}
	}
	return f, portstest.SourceStage{
		Source:      from(func(*Config) {}),
		Refused:     from(func(c *Config) { c.Password = setting.NewSecret(wrong) }),
		Unreachable: from(func(c *Config) { c.Host = freeport.Address(t) }),
		Silent:      from(func(c *Config) { c.Host = listenSilently(t) }),
		Secrets:     []string{wrong, password},
		Users:       [2]domain.UserID{"alice@example.test", "bob@example.test"},
		Devices:     []string{"desk", "home"},
		Hang:        func(testing.TB) { f.Change(func(s *asterisktest.State) { s.Hung = true }) },
		Cut: func(testing.TB) {
			f.Kill()
			f.Change(func(s *asterisktest.State) { s.Hints, s.Presences = contractHints(), nil })
		},
		Restart: func(t testing.TB) { f.Listen(t) },
	}
}

// contractHints are hints whose telephones are not there.
func contractHints() (hints []asterisktest.Hint) {
	for _, exten := range []string{"4711", "4712", "4721"} {
		hints = append(hints, hint(exten, "default", "Custom:"+exten+",CustomPresence:"+exten, 4))
	}
	return hints
}

// listenSilently returns the address of a server that accepts and says nothing.
func listenSilently(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel accepts
}
