package xmpp

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSource makes a source that watches a test server. The log must never contain the password.
func newSource(t testing.TB, server *xmpptest.Server, change func(*Config)) *Source {
	t.Helper()
	source, _ := newLoggedSource(t, server, change)
	return source
}

func newLoggedSource(t testing.TB, server *xmpptest.Server, change func(*Config)) (*Source, *logged) {
	t.Helper()
	c := DefaultConfig()
	c.JID = server.JID(xmpptest.Observer)
	c.Password = setting.NewSecret(server.Password(xmpptest.Observer))
	c.Host = server.Addr
	c.Roots = roots(t, server.CAFile)
	c.SweepAfter = 100 * time.Millisecond
	if change != nil {
		change(&c)
	}
	log := &logged{}
	t.Cleanup(func() {
		if !c.Password.IsZero() && strings.Contains(log.String(), c.Password.Reveal()) {
			t.Errorf("the password is in the log:\n%s", log)
		}
	})
	source, err := New(c, newLogger(log))
	if err != nil {
		t.Fatal(err)
	}
	return source, log
}

// roots are the certificates in a file.
func roots(t testing.TB, file string) setting.Roots {
	t.Helper()
	roots, err := setting.ReadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

func newLogger(log *logged) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// logged keeps what is logged.
type logged = syncbuffer.Buffer

// eventually polls until check returns nil. After 20 seconds it fails the test with check's last error.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
