package xmpp

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/xmpptest"
)

func TestTargets(t *testing.T) {
	dns := startDNS(t,
		"_xmpp-client._tcp.example.test,third.example.test,5224,20,0",
		"_xmpp-client._tcp.example.test,second.example.test,5223,10,0",
		"_xmpp-client._tcp.example.test,first.example.test,5222,5,100",
		"_xmpps-client._tcp.example.test,first.example.test,443,5,100",
		"_xmpp-client._tcp.nothing.test")
	tests := []struct{ jid, tls, host, want string }{
		{"a@example.test", StartTLS, "", "first.example.test:5222 second.example.test:5223 third.example.test:5224"},
		{"a@example.test", DirectTLS, "", "first.example.test:443"},
		{"a@other.test", StartTLS, "", "other.test:5222"},
		{"a@other.test", DirectTLS, "", "other.test:5223"},
		{"a@bücher.test", StartTLS, "", "xn--bcher-kva.test:5222"},
		{"a@example.test", StartTLS, "chat.example.test", "chat.example.test:5222"},
		{"a@example.test", DirectTLS, "chat.example.test", "chat.example.test:5223"},
		{"a@example.test", StartTLS, "2001:db8::1", "[2001:db8::1]:5222"},
		{"a@example.test", StartTLS, "[2001:db8::1]:99", "[2001:db8::1]:99"},
		{"a@nothing.test", StartTLS, "", "offers no _xmpp-client._tcp service"},
	}
	for _, test := range tests {
		c := validConfig()
		c.JID, c.TLS, c.Host = test.jid, test.tls, test.host
		source, err := New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		source.resolver = dns
		targets, err := source.targets(t.Context())
		got := strings.Join(targets, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

// Equal priorities are tried by weight, which leaves it to chance.
func TestTargetsByWeight(t *testing.T) {
	dns := startDNS(t, "_xmpp-client._tcp.example.test,heavy.example.test,1,5,1000", "_xmpp-client._tcp.example.test,light.example.test,1,5,1")
	source, err := New(validConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	source.resolver = dns
	heavy := 0
	for range 100 {
		targets, err := source.targets(t.Context())
		if err != nil || len(targets) != 2 {
			t.Fatal(targets, err)
		}
		if targets[0] == "heavy.example.test:1" {
			heavy++
		}
	}
	if heavy < 80 {
		t.Errorf("the heavy one came first %d times of 100", heavy)
	}
}

// The first address does not answer, the second one is the real server.
func TestServerByDNS(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{})
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_, closed, err := net.SplitHostPort(freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	dns := startDNS(t, "_xmpp-client._tcp.example.test,localhost.test,"+closed+",1,0", "_xmpp-client._tcp.example.test,localhost.test,"+port+",2,0")
	source := newSource(t, server, func(c *Config) { c.Host = "" })
	source.resolver = dns
	r := begin(t, source)
	r.wantSynced(t)
	r.stop(t)
	server.Kill()
	if err := begin(t, source).ends(t); strings.Count(err.Error(), "connecting to the XMPP server localhost.test:") != 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("Run returned %v", err)
	}
}

// A DNS server that does not answer must not hold Run up.
func TestSilentDNS(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	source, err := New(validConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	source.resolver = dns.NewResolver(silent.LocalAddr().String())
	r := begin(t, source)
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	r.stop(t)

	source.limits.login = 100 * time.Millisecond
	if err := begin(t, source).ends(t); !strings.Contains(err.Error(), errSlowLogin.Error()) {
		t.Errorf("Run returned %v", err)
	}
}

func TestSplitHostPort(t *testing.T) {
	var got []string
	for _, s := range []string{"a", "a:1", "[::1]", "::1", "[::1]:2"} {
		host, port, err := splitHostPort(s, "9")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, host+" "+port)
	}
	if want := []string{"a 9", "a 1", "::1 9", "::1 9", "::1 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
