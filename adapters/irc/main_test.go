package irc

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/setting"
)

// quick are the limits of most tests.
var quick = limits{
	login: 20 * time.Second, answer: 20 * time.Second, idle: 500 * time.Millisecond, pace: time.Microsecond, slow: time.Millisecond,
	text: 20 * time.Millisecond, account: 20 * time.Millisecond,
}

// impatient makes a source notice soon that its server does not answer.
func impatient(source *Source) *Source {
	source.limits.answer = 2 * time.Second
	return source
}

// sources counts, so that each has a nick of its own: a server frees that of the one before only after a moment.
var sources atomic.Int64

// identities makes a table of nicks and users: "ali=alice@example.test".
func identities(t testing.TB, entries ...string) *domain.Identities {
	t.Helper()
	var records []domain.Identity
	for _, entry := range entries {
		names, user, _ := strings.Cut(entry, "=")
		records = append(records, domain.Identity{User: user, Names: map[string][]string{"irc": strings.Split(names, ",")}})
	}
	table, err := domain.NewIdentities(records)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// newSource makes a source that watches a server, with the limits quick. Its log must never contain a password.
func newSource(t testing.TB, server *realServer, ids *app.Identities, change func(*Config)) *Source {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Roots, c.Domain = server.address, server.roots, "example.test"
	c.Nick, c.PollEvery = fmt.Sprint("watcher", sources.Add(1)), 20*time.Millisecond
	if server.services == nil {
		c.Password, c.RequireAccount = setting.NewSecret(serverPassword), false
	} else {
		c.TLS = tlsNone
	}
	change(&c)
	log := &syncbuffer.Buffer{}
	t.Cleanup(func() {
		if !c.Password.IsZero() && strings.Contains(log.String(), c.Password.Reveal()) {
			t.Errorf("the password is in the log:\n%s", log)
		}
	})
	source, err := New(c, ids, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	source.limits = quick
	return source
}

// eventually polls until check returns nil. After 20 seconds it fails the test with check's last error.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
