package oidctest_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/internal/oidctest"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestProvider: the tokens of a real provider are good, over the network.
func TestProvider(t *testing.T) {
	p := oidctest.Start(t)
	own := auth.DefaultConfig()
	own.Secret = setting.NewSecret("a secret that nobody can guess 4711")
	tokens, err := auth.New(own, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	cfg := oidc.DefaultConfig()
	cfg.Issuer, cfg.ClientID, cfg.ServiceRole = p.Issuer, oidctest.ClientID, oidctest.ServiceRole
	v := oidc.New(cfg, own.ClockSkew, clock.New(), tokens, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { v.Run(ctx) })
	defer running.Wait()
	defer cancel()
	accepts := func(token string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			by, err := v.Verify(token)
			if err == nil {
				if by.User != "alice@example.test" || !by.Service {
					t.Errorf("%+v", by)
				}
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	claims := map[string]any{"roles": []string{oidctest.ServiceRole}}
	accepts(p.Token(t, "alice@example.test", claims))
	if about, _ := v.Provider(); about.AuthorizationEndpoint != p.Issuer+"/authorize" || about.TokenEndpoint != p.Issuer+"/oauth/token" || about.EndSessionEndpoint != p.Issuer+"/end_session" {
		t.Errorf("%+v", about)
	}
}
