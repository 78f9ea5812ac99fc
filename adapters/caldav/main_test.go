package caldav

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testPassword = "the password of the account"

// systemClock is the real time, or that of a synctest bubble.
type systemClock struct{}

func (systemClock) Now() domain.Timestamp { return domain.TimestampOf(time.Now()) }

// names is who has calendar names, and in which zones they are. It is a ports.Identities and a ports.TimeZones that a test changes.
type names struct {
	mu      sync.Mutex
	list    []domain.Name
	zones   map[domain.UserID]string
	changed chan struct{}
}

func namesOf(list ...domain.Name) *names { return &names{list: list, changed: make(chan struct{})} }

func (n *names) Find(protocol domain.Protocol, name string) (domain.UserID, bool) {
	return n.User(protocol, name)
}

func (n *names) User(_ domain.Protocol, text string) (domain.UserID, bool) {
	for _, name := range n.Names(Protocol) {
		if name.Text == text {
			return name.User, true
		}
	}
	return "", false
}

func (n *names) Names(domain.Protocol) []domain.Name {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.list
}

func (n *names) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *names) TimeZone(user domain.UserID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.zones[user]
}

func (n *names) set(list ...domain.Name) { n.change(func() { n.list = list }) }

func (n *names) setZones(zones map[domain.UserID]string) { n.change(func() { n.zones = zones }) }

func (n *names) change(what func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what()
	close(n.changed)
	n.changed = make(chan struct{})
}

var (
	alice = domain.Name{Text: "alice", User: "alice@example.test"}
	bob   = domain.Name{Text: "Bob", User: "bob@example.test"}
)

// identities is names, or the real ones.
type identities interface {
	ports.Identities
	ports.TimeZones
}

// newTestSource makes a source. The log must never contain the password or a secret address.
func newTestSource(t testing.TB, identities identities, change func(*Config)) (*Source, *syncbuffer.Buffer) {
	t.Helper()
	c := DefaultConfig()
	c.Username, c.Password = "presence", setting.NewSecret(testPassword)
	c.Refresh, c.TimeZone = 200*time.Millisecond, "Europe/Berlin"
	change(&c)
	log := &syncbuffer.Buffer{}
	t.Cleanup(func() {
		if strings.Contains(log.String(), testPassword) || strings.Contains(log.String(), "s3cret") {
			t.Errorf("a secret is in the log:\n%s", log)
		}
	})
	s, err := New(c, identities, identities, systemClock{}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.limits.silence, s.limits.firstRetry = 6*time.Second, 100*time.Millisecond
	return s, log
}

// eventually polls until check returns true. After a minute it fails the test, for a machine may be busy.
func eventually(t testing.TB, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen: ", what)
		}
	}
}
