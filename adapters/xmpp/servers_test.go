package xmpp

import (
	"testing"

	"github.com/zarafa/presence/internal/xmpptest"
)

// each runs a test against every real server.
func each(t *testing.T, options xmpptest.Options, test func(t *testing.T, server *xmpptest.Server)) {
	t.Helper()
	for _, kind := range xmpptest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) { test(t, xmpptest.Start(t, kind, options)) })
	}
}

func TestUsersAreSeen(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		laptop := server.Login(t, "alice", "laptop")
		laptop.Show("away", "im Café ☕")
		source := newSource(t, server, nil)
		r := begin(t, source)
		r.want(t, "alice@example.test", "away im Café ☕")
		r.wantSynced(t)
		r.want(t, "bob@example.test", "unavailable")

		phone := server.Login(t, "alice", "phone")
		r.want(t, "alice@example.test", "available")
		phone.Show("dnd", "Сейчас на встрече")
		r.want(t, "alice@example.test", "busy Сейчас на встрече")
		laptop.Show("chat", "会議が終わりました")
		r.want(t, "alice@example.test", "busy Сейчас на встрече")
		phone.Leave("bye")
		r.want(t, "alice@example.test", "available 会議が終わりました")
		laptop.Show("xa", "مشغول")
		r.want(t, "alice@example.test", "away مشغول")
		laptop.Cut()
		r.want(t, "alice@example.test", "unavailable")
	})
}
