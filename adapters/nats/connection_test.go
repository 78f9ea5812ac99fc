package nats_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// refused expects Follow to end by itself, at once, and to say why.
func refused(t *testing.T, url string, change func(*nats.Config), want string) {
	t.Helper()
	d := launch(t, url, change)
	select {
	case err := <-d.ended:
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Follow = %v, want an error that says %q", err, want)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("Follow does not return; want it to say %q", want)
	}
}

// TestFollowWaitsForServers: neither a cluster without a running server nor one without a majority ends Follow.
func TestFollowWaitsForServers(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	for _, s := range cluster.Servers {
		s.Kill()
	}
	var log logged
	d := launch(t, cluster.URL(), replicas(3), &log)
	d.await("the log does not say that the journal waits", func() bool { return strings.Contains(log.String(), "store waiting for NATS") })
	d.close()
	d = launch(t, cluster.URL(), replicas(3))
	for _, server := range cluster.Servers {
		select {
		case err := <-d.ended:
			t.Fatalf("Follow = %v before there was a majority", err)
		case <-d.caughtUp:
			t.Fatal("the journal has caught up before there was a majority")
		case <-time.After(700 * time.Millisecond):
			server.Launch(t)
		}
	}
	d.await("the journal does not catch up", func() bool {
		select {
		case <-d.caughtUp:
			return true
		default:
			return false
		}
	})
	d.awaitAppend("after")
}

// TestFollowEndsWhileServersAreFrozen: launch checks that Follow ends at once when its context does.
func TestFollowEndsWhileServersAreFrozen(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	for _, s := range cluster.Servers {
		s.Freeze()
	}
	d := launch(t, cluster.URL(), replicas(3))
	time.Sleep(300 * time.Millisecond) // it waits for a server's first word
	d.close()
}

// TestWhatServersDoNotDo: it is refused at once, with a sentence that says what is wrong.
func TestWhatServersDoNotDo(t *testing.T) {
	t.Parallel()
	small := natstest.Start(t, natstest.Options{Servers: 1, Config: "max_payload: 100KB"})
	refused(t, small.URL(), nil, "max_payload")
	single := natstest.Start(t, natstest.Options{Servers: 1})
	refused(t, single.URL(), replicas(3), "replicas")
}

// jetStream connects to a server, as somebody else.
func jetStream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// TestStreamsOfOthersAreRefused: those of another program, of the version before and of a later one; and they stay as they are.
func TestStreamsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	js := jetStream(t, cluster.URL())
	tests := []struct {
		bucket, stream, subject, description, want string
	}{
		{"other", "KV_other", "$KV.other.>", "", "the stream KV_other is somebody else's; set store.bucket"},
		{"old", "KV_old", "$KV.old.>", "zarafa-presence: snapshots of all presences",
			"the stream KV_old has the format of an earlier version; export the presences with that version"},
		{"old2", "old2_journal", "old2.journal", "zarafa-presence: changes of presences since the snapshots",
			"the stream old2_journal has the format of an earlier version; export"},
		{"later", "KV_later", "$KV.later.>", "zarafa-presence: snapshots and leases, format 3", "has the format of another version"},
	}
	for _, test := range tests {
		want := jetstream.StreamConfig{Name: test.stream, Description: test.description, Subjects: []string{test.subject}, MaxMsgsPerSubject: 1}
		before, err := js.CreateStream(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, cluster.URL(), func(c *nats.Config) { c.Bucket = test.bucket }, test.want)
		after, err := js.Stream(t.Context(), test.stream)
		if err != nil || after.CachedInfo().Config.Description != test.description || !after.CachedInfo().Created.Equal(before.CachedInfo().Created) {
			t.Errorf("the stream %s was changed: %v", test.stream, err)
		}
	}
}

// TestReplicasFollowTheConfiguration: the next daemon that starts changes the streams, and what they have stays.
func TestReplicasFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	d := open(t, cluster.URL(), nil)
	for i := range 20 {
		d.append(fmt.Sprint(i))
	}
	if err := d.snapshot(); err != nil {
		t.Fatal(err)
	}
	js := jetStream(t, cluster.URL())
	for _, n := range []int{3, 1} {
		next := open(t, cluster.URL(), replicas(n))
		for _, name := range []string{"presence_journal", "KV_presence"} {
			stream, err := js.Stream(t.Context(), name)
			if err != nil || stream.CachedInfo().Config.Replicas != n {
				t.Errorf("the stream %s has not %d replicas: %v", name, n, err)
			}
		}
		next.append(fmt.Sprint("with ", n))
		equal(t, d, next)
	}
}

// TestAQuotaIsReached: what is not kept is surely not.
func TestAQuotaIsReached(t *testing.T) {
	t.Parallel()
	site := newSite(t, 1<<20)
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: site.config})
	d := open(t, cluster.URL(), func(c *nats.Config) { c.Credentials = site.creds })
	filler := strings.Repeat("x", 100<<10)
	var err error
	n := 0
	for ; n < 20 && err == nil; n++ {
		err = d.Append(t.Context(), []byte(filler))
	}
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Append beyond the quota = %v after %d entries, want ErrUnavailable", err, n)
	}
	d.append("a small one") // Follow goes on
	if given := d.count(filler); given != n-1 {
		t.Errorf("%d entries were given, want %d", given, n-1)
	}
}

// TestTLS: the server's certificate is checked against store.ca_file.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := certtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "localhost")
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: fmt.Sprintf("tls {cert_file: %q, key_file: %q}",
		file("server.pem", certificate), file("server.key", key))})
	address := strings.Replace(cluster.URL(), "nats:", "tls:", 1)
	url := strings.Replace(address, "127.0.0.1", "localhost", 1)
	trusting := func(name string, pem []byte) func(*nats.Config) {
		roots, err := setting.ReadRoots(file(name, pem))
		if err != nil {
			t.Fatal(err)
		}
		return func(c *nats.Config) { c.Roots = roots }
	}
	right, wrong := trusting("ca.pem", authority.PEM), trusting("other.pem", certtest.NewAuthority(t).PEM)
	open(t, url, right).append("over TLS")
	refused(t, url, wrong, "certificate")
	refused(t, url, nil, "certificate")
	refused(t, address, right, "certificate") // it is not for 127.0.0.1
}

// TestCredentials: a server that demands a user refuses who is none.
func TestCredentials(t *testing.T) {
	t.Parallel()
	site := newSite(t, -1)
	cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: site.config})
	open(t, cluster.URL(), func(c *nats.Config) { c.Credentials = site.creds }).append("with credentials")
	refused(t, cluster.URL(), nil, "uthorization")
	refused(t, cluster.URL(), func(c *nats.Config) { c.Credentials = newSite(t, -1).creds }, "uthorization")
}

// site is an operator with an account and a user.
type site struct {
	config string // of a server
	creds  string // the user's file
}

// newSite makes one that may keep so many bytes: any number if it is -1.
func newSite(t *testing.T, quota int64) site {
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
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: quota, Streams: -1, Consumer: -1}
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
