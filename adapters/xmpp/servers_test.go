package xmpp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// each runs a test against every real server.
func each(t *testing.T, options xmpptest.Options, test func(t *testing.T, server *xmpptest.Server)) {
	t.Helper()
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // with each other: most of the time the servers start
			test(t, xmpptest.Start(t, kind, options))
		})
	}
}

func TestUsersAreSeen(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		laptop := server.Login(t, "alice", "laptop")
		laptop.Show("away", "im Café ☕")
		r := begin(t, newSource(t, server, nil))
		r.want(t, "alice@example.test", "away im Café ☕")
		r.wantSynced(t)
		r.want(t, "bob@example.test", "unavailable")

		phone := server.Login(t, "alice", "phone")
		r.want(t, "alice@example.test", "available")
		phone.Show("dnd", "Сейчас на встрече")
		r.want(t, "alice@example.test", "busy Сейчас на встрече")
		laptop.Show("chat", "会議が終わりました")
		bob := server.Login(t, "bob", `desk "1" & <more>`)
		bob.Show("dnd", `<b>"&amp;'`)
		r.want(t, "bob@example.test", `busy <b>"&amp;'`)
		r.want(t, "alice@example.test", "busy Сейчас на встрече")
		phone.Leave("bye")
		r.want(t, "alice@example.test", "available 会議が終わりました")
		laptop.Show("xa", "مشغول")
		r.want(t, "alice@example.test", "away مشغول")
		laptop.Cut()
		r.want(t, "alice@example.test", "unavailable")
		if got, want := r.users(), "[alice@example.test bob@example.test carol@example.test dave@example.test]"; got != want {
			t.Errorf("known are %s, want %s", got, want)
		}
	})
}

// What changes nothing: an avatar's hash, capabilities, a second stanza that says the same.
func TestDecorationChangesNothing(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		r := begin(t, newSource(t, server, nil))
		alice := server.Login(t, "alice", "laptop")
		alice.Send(`<presence><show>dnd</show><status>here</status><priority>-5</priority>` +
			`<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://example.test' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>` +
			`<x xmlns='vcard-temp:x:update'><photo>3b4ce5e0d9a36f3c64d21ba63ae6f2a08c7ec3a1</photo></x></presence>`)
		r.want(t, "alice@example.test", "busy here")
	})
}

func TestOutage(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		source := newSource(t, server, nil)
		server.Login(t, "alice", "laptop")
		server.Login(t, "bob", "laptop")
		first := begin(t, source)
		first.want(t, "alice@example.test", "available")
		first.want(t, "bob@example.test", "available")
		server.Kill()
		if err := first.ends(t); errors.Is(err, ports.ErrRejected) {
			t.Errorf("a killed server counts as a refusal: %v", err)
		}
		refused := begin(t, source)
		if err := refused.ends(t); !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("nobody listens, but Run returned %v", err)
		}
		server.Restart(t)
		server.Login(t, "bob", "laptop").Show("away", "back")
		second := begin(t, source)
		second.wantSynced(t)
		second.want(t, "bob@example.test", "away back")
		second.want(t, "alice@example.test", "unavailable")
		server.Stop(t)
		if err := second.ends(t); !strings.Contains(err.Error(), "closed") {
			t.Errorf("the server said goodbye, but Run returned %v", err)
		}
	})
}

func TestFrozenServer(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		source := newSource(t, server, nil)
		source.limits.silence = 2 * time.Second
		r := begin(t, source)
		r.wantSynced(t)
		server.Freeze()
		if err := r.ends(t); !errors.Is(err, errSilent) {
			t.Errorf("Run returned %v", err)
		}
		source.limits.login = 300 * time.Millisecond
		if err := begin(t, source).ends(t); !errors.Is(err, errSlowLogin) {
			t.Errorf("Run returned %v", err)
		}
		source.limits = defaultLimits
		connecting := begin(t, source) // the kernel still accepts connections
		time.Sleep(100 * time.Millisecond)
		connecting.stop(t)
		server.Thaw()
		again := begin(t, source)
		again.wantSynced(t)
		server.Freeze()
		again.stop(t)
		server.Thaw()
	})
}

func TestStopSaysGoodbye(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		alice := server.Login(t, "alice", "laptop")
		r := begin(t, newSource(t, server, nil))
		awaitPresence(t, alice, server.JID(xmpptest.Observer), "")
		r.stop(t)
		awaitPresence(t, alice, server.JID(xmpptest.Observer), "unavailable")
	})
}

func TestWrongPassword(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		for _, jid := range []string{server.JID(xmpptest.Observer), server.JID("nobody")} {
			source := newSource(t, server, func(c *Config) { c.JID, c.Password = jid, setting.NewSecret("not the password") })
			err := begin(t, source).ends(t)
			if !errors.Is(err, ports.ErrRejected) || !strings.Contains(err.Error(), jid) || !strings.Contains(err.Error(), "wrong account or password") {
				t.Errorf("Run returned %v", err)
			}
			if strings.Contains(err.Error(), "not the password") {
				t.Errorf("the password is in %q", err)
			}
		}
	})
}

func TestUnknownDomain(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		source := newSource(t, server, func(c *Config) { c.JID = "observer@elsewhere.test" })
		err := begin(t, source).ends(t)
		if !errors.Is(err, ports.ErrRejected) || !strings.Contains(err.Error(), "does not serve the domain elsewhere.test") {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestCertificate(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		stranger := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(stranger, certtest.NewAuthority(t).PEM, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{StartTLS, DirectTLS} {
			inMode := func(ca string, insecure bool) func(c *Config) {
				return func(c *Config) {
					c.TLS, c.Roots, c.InsecureSkipVerify = mode, roots(t, ca), insecure
					if mode == DirectTLS {
						c.Host = server.DirectTLS
					}
				}
			}
			for name, ca := range map[string]string{"the system's": "", "another": stranger} {
				err := begin(t, newSource(t, server, inMode(ca, false))).ends(t)
				if !strings.Contains(err.Error(), "certificate is not accepted") || errors.Is(err, ports.ErrRejected) {
					t.Errorf("%s, %s authority: Run returned %v", mode, name, err)
				}
			}
			r := begin(t, newSource(t, server, inMode("", true)))
			r.wantSynced(t)
			r.stop(t)
			r = begin(t, newSource(t, server, inMode(server.CAFile, false)))
			r.wantSynced(t)
			r.stop(t)
		}
	})
}

func TestWrongKindOfTLS(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		source := newSource(t, server, func(c *Config) { c.TLS = DirectTLS })
		if err := begin(t, source).ends(t); !strings.Contains(err.Error(), "set xmpp.tls to starttls") {
			t.Errorf("direct TLS on a STARTTLS port: Run returned %v", err)
		}
		source = newSource(t, server, func(c *Config) { c.Host = server.DirectTLS })
		source.limits.login = 2 * time.Second
		if err := begin(t, source).ends(t); errors.Is(err, ports.ErrRejected) {
			t.Errorf("STARTTLS on a direct TLS port: Run returned %v", err)
		}
	})
}

// ejabberd before 24.02 refuses the channel binding that it offers with TLS 1.3.
func TestBrokenChannelBinding(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Ejabberd, xmpptest.Options{})
	source, log := newLoggedSource(t, server, nil)
	for range 2 {
		r := begin(t, source)
		r.wantSynced(t)
		r.stop(t)
	}
	if n := strings.Count(log.String(), "channel binding does not work"); n != 1 {
		t.Errorf("it is logged %d times, want once:\n%s", n, log)
	}
}

func TestTLS12(t *testing.T) {
	each(t, xmpptest.Options{TLS12: true}, func(t *testing.T, server *xmpptest.Server) {
		source, log := newLoggedSource(t, server, nil)
		begin(t, source).wantSynced(t)
		if !strings.Contains(log.String(), "-PLUS") {
			t.Errorf("not logged in with channel binding:\n%s", log)
		}
	})
}

func TestProxyIsLeftAlone(t *testing.T) {
	proxy := listenUnused(t)
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{})
	for _, except := range []string{"", "example.test"} {
		t.Setenv("HTTP_PROXY", "http://"+proxy)
		t.Setenv("NO_PROXY", "")
		t.Setenv("no_proxy", except)
		r := begin(t, newSource(t, server, nil))
		r.wantSynced(t)
		r.stop(t)
		if got := os.Getenv("NO_PROXY"); !strings.HasPrefix(got, except) || !strings.HasSuffix(got, "127.0.0.1") {
			t.Errorf("NO_PROXY is %q", got)
		}
	}
}

func TestPrivilege(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{Seeing: xmpptest.Privilege})
	server.Login(t, "alice", "laptop").Show("dnd", "early")
	source := newSource(t, server, nil)
	r := begin(t, source)
	r.want(t, "alice@example.test", "busy early")
	r.wantSynced(t)
	bob := server.Login(t, "bob", "phone")
	r.want(t, "bob@example.test", "available")
	bob.Cut()
	r.want(t, "bob@example.test", "unavailable")
	if got, want := r.users(), "[alice@example.test bob@example.test]"; got != want {
		t.Errorf("known are %s, want %s", got, want)
	}
	r.stop(t)
	again := begin(t, source)
	again.wantSynced(t)
	again.want(t, "alice@example.test", "busy early")
}

// With the privilege somebody can come at any time.
func TestNobodyIsOnline(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{Seeing: xmpptest.Privilege})
	source, log := newLoggedSource(t, server, nil)
	begin(t, source).wantSynced(t)
	if strings.Contains(log.String(), "the XMPP account sees nobody") {
		t.Errorf("there is a warning in the log:\n%s", log)
	}
}

// A second daemon with the same full JID takes the place of the first, which says so.
func TestConflict(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		same := func(c *Config) { c.JID += "/presence" }
		first := begin(t, newSource(t, server, same))
		first.wantSynced(t)
		begin(t, newSource(t, server, same)).wantSynced(t)
		if err := first.ends(t); !strings.Contains(err.Error(), "(conflict)") {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestNobodyIsSeen(t *testing.T) {
	each(t, xmpptest.Options{Seeing: xmpptest.Subscribed}, func(t *testing.T, server *xmpptest.Server) {
		server.Login(t, "alice", "laptop")
		source, log := newLoggedSource(t, server, nil)
		begin(t, source).wantSynced(t)
		if !strings.Contains(log.String(), "the XMPP account sees nobody") {
			t.Errorf("no warning in the log:\n%s", log)
		}
	})
}

// Nobody can make a server send a stanza with an attribute twice: the server ends the stream of whoever tries. Go's XML decoder would take the
// last one.
func TestDuplicateAttributeIsRefused(t *testing.T) {
	each(t, xmpptest.Options{}, func(t *testing.T, server *xmpptest.Server) {
		r := begin(t, newSource(t, server, nil))
		alice := server.Login(t, "alice", "laptop")
		r.want(t, "alice@example.test", "available")
		alice.Send("<presence id='1' id='2'><show>dnd</show></presence>")
		r.want(t, "alice@example.test", "unavailable")
		for range alice.Received { // until the server has closed the connection
		}
	})
}
