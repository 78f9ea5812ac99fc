package wiring

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/oidctest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// TestTokensByForm: each kind of token is verified by who makes it, and whoever is listed as a service is one, in whatever way the user has signed
// in.
func TestTokensByForm(t *testing.T) {
	provider := oidctest.Start(t)
	s := newSettings(nil)
	key, hash := auth.NewKey()
	s.Auth.Secret, s.Auth.Services = setting.NewSecret("a secret that nobody can guess 4711"), []string{"boss@example.test"}
	s.Auth.Keys = []auth.Key{{Name: "wall", Hash: hash, Users: []string{"*@example.test"}, Read: true}}
	s.OIDC.Issuer, s.OIDC.ClientID = provider.Issuer, oidctest.ClientID
	own, err := auth.New(s.Auth, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	verifier := newVerifier(s, clock.New(), own, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { verifier.Run(ctx) })
	defer running.Wait()
	defer cancel()
	all := newTokens(own, verifier)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := all.Verify(provider.Token(t, "alice@example.test", nil)); err == nil {
			break
		} else if !errors.Is(err, ports.ErrUnverifiable) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for token, want := range map[string]domain.Principal{
		own.Issue("alice@example.test"):              {User: "alice@example.test"},
		own.Issue("boss@example.test"):               {User: "boss@example.test", Service: true},
		provider.Token(t, "alice@example.test", nil): {User: "alice@example.test"},
		provider.Token(t, "boss@example.test", nil):  {User: "boss@example.test", Service: true},
		key:                      {User: "key:wall"},
		strings.Repeat("ey", 20): {},
		"1415697944:markd@zarafa.com:" + strings.Repeat("A", 44): {},
		"": {},
	} {
		by, err := all.Verify(token)
		if by.User != want.User || by.Service != want.Service || (err == nil) != (want.User != "") || err != nil && !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("%.20s...: %+v, %v; want %+v", token, by, err, want)
		}
	}
}

// TestProxyHeaderAndOrigins: what stands in two sections, and must not be together, stops the start, and the file and line are named.
func TestProxyHeaderAndOrigins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zarafa-presence.yaml")
	text := "auth:\n  secret: a secret that nobody can guess 4711\n  proxy_header: X-Remote-User\nhttp:\n  cors_origins: [\"*\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(config.Input{File: file}, nil)
	if err == nil {
		err = s.Validate()
	}
	for _, want := range []string{file + ":5: http.cors_origins: * lets", file + ":3: auth.proxy_header: it needs http.trusted_proxies"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
