package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/ports"
)

// refused expects Start to fail by itself, and to say why.
func refused(t *testing.T, s *nats.Store, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Start(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Start = %v, want an error that says %q", err, want)
	}
}

// TestStartWaitsForServers: neither a cluster of which nothing runs nor one without a majority makes the start fail.
func TestStartWaitsForServers(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	for _, s := range cluster.Servers {
		s.Kill()
	}
	s := joining(t, cluster.URL(), 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	if err := s.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start without servers = %v, want the context's error", err)
	}
	cancel()
	s = joining(t, cluster.URL(), 3, nil)
	started := make(chan error, 1)
	go func() { started <- s.Start(t.Context()) }()
	for _, server := range cluster.Servers {
		select {
		case err := <-started:
			t.Fatalf("Start = %v before there was a majority", err)
		case <-time.After(700 * time.Millisecond):
			server.Launch(t)
		}
	}
	select {
	case err := <-started:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Start does not return")
	}
	set(t, s, numbered(1), web, domain.Busy, "")
}

// TestWhatServersDoNotDo: the start is refused at once, with a sentence that says what is wrong.
func TestWhatServersDoNotDo(t *testing.T) {
	t.Parallel()
	alone := natstest.Start(t, natstest.Options{Servers: 1, Config: "max_payload: 100KB"})
	refused(t, joining(t, alone.URL(), 1, nil), "max_payload")
	single := natstest.Start(t, natstest.Options{Servers: 1})
	refused(t, joining(t, single.URL(), 3, nil), "replicas")
}

// TestEntriesAreNoLargerThanServersTake: what many callers write together is divided, and what one writes at once is refused.
func TestEntriesAreNoLargerThanServersTake(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: "max_payload: 600KB"})
	s := joined(t, cluster.URL(), 1, nil)
	long := strings.Repeat("x", domain.MaxMessage)
	var together []ports.Write
	var writing sync.WaitGroup
	for i := range 400 {
		old := domain.Presence{Protocol: web}
		next := old.Observe(domain.Busy, long, domain.ExpiryPolicy{}, now())
		writing.Go(func() {
			if err := s.Apply(t.Context(), []ports.Write{{User: numbered(i), Old: old, New: next}}); err != nil {
				t.Error(err)
			}
		})
		together = append(together, ports.Write{User: domain.UserID(fmt.Sprintf("together%d@example.test", i)), Old: old, New: next})
	}
	writing.Wait()
	if err := s.Apply(t.Context(), together); !errors.Is(err, ports.ErrUnavailable) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("Apply of more than fits = %v", err)
	}
	if n := len(image(s)); n != 400 {
		t.Errorf("there are %d presences, want 400", n)
	}
	if err := s.Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTLS: the server's certificate is checked against store.ca_file.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, string(content))
		return path
	}
	authority := xmpptest.NewAuthority(t)
	certificate, key := authority.Issue(t, "localhost")
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Scheme: "tls", Config: fmt.Sprintf("tls {cert_file: %q, key_file: %q}",
		file("server.pem", certificate), file("server.key", key))})
	url := strings.ReplaceAll(cluster.URL(), "127.0.0.1", "localhost")
	right, wrong := file("ca.pem", authority.PEM), file("other.pem", xmpptest.NewAuthority(t).PEM)
	s := joined(t, url, 1, func(c *nats.Config) { c.CAFile = right })
	set(t, s, numbered(1), web, domain.Busy, "")
	refused(t, joining(t, url, 1, func(c *nats.Config) { c.CAFile = wrong }), "certificate")
	refused(t, joining(t, url, 1, nil), "certificate")
	refused(t, joining(t, cluster.URL(), 1, func(c *nats.Config) { c.CAFile = right }), "certificate") // it is not for 127.0.0.1
}

// TestCredentials: a server that demands a user refuses who is none.
func TestCredentials(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: site.config})
	s := joined(t, cluster.URL(), 1, func(c *nats.Config) { c.Credentials = site.creds })
	set(t, s, numbered(1), web, domain.Busy, "")
	refused(t, joining(t, cluster.URL(), 1, nil), "uthorization")
	refused(t, joining(t, cluster.URL(), 1, func(c *nats.Config) { c.Credentials = newSite(t).creds }), "uthorization")
}

// site is an operator with an account and a user.
type site struct {
	config string // of a server
	creds  string // the user's file
}

func newSite(t *testing.T) site {
	t.Helper()
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		key, err := create()
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return key, public
	}
	sign := func(claims jwt.Claims, key nkeys.KeyPair) string {
		token, err := claims.Encode(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	_, systemID := pair(nkeys.CreateAccount)
	account, accountID := pair(nkeys.CreateAccount)
	user, userID := pair(nkeys.CreateUser)

	operatorClaims := jwt.NewOperatorClaims(operatorID)
	operatorClaims.SystemAccount = systemID
	accountClaims := jwt.NewAccountClaims(accountID)
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	preload, err := json.Marshal(map[string]string{
		systemID:  sign(jwt.NewAccountClaims(systemID), operator),
		accountID: sign(accountClaims, operator),
	})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(sign(jwt.NewUserClaims(userID), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(path, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	return site{
		config: fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: %s", sign(operatorClaims, operator), preload),
		creds:  path,
	}
}
