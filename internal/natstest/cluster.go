// Package natstest runs real NATS servers for tests: one, or a cluster of several. Each is a separate process with JetStream, on a free port
// of 127.0.0.1, with its files in a temporary folder. The program is built from the module that go.mod names. A server can be killed,
// frozen and restarted:
//
//	cluster := natstest.Start(t, natstest.Options{Servers: 3})
//	cluster.Server(cluster.Leader(t, "presence_journal")).Kill()
//
// If the test fails, it prints the servers' logs. The tests of adapters/nats use it.
package natstest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// Options says which servers to start.
type Options struct {
	Servers int    // 1, or the number of servers in a cluster
	Config  string // appended to each server's configuration, in the server's own syntax
}

// Cluster is one server or several that form a cluster. Its methods are for the test's goroutine.
type Cluster struct{ Servers []*Server }

// Server is one server of a cluster. It can be killed, frozen and thawed like every process.
type Server struct {
	*process.Process
	Name string
	Addr string // host:port for clients

	dir     string
	monitor string // host:port of its monitoring endpoint
}

// build builds the program if it is not in Go's cache, and returns its path.
var build = sync.OnceValues(func() (string, error) {
	command := exec.Command("go", "tool", "-n", "github.com/nats-io/nats-server/v2")
	command.Stderr = os.Stderr
	path, err := command.Output()
	return strings.TrimSpace(string(path)), err
})

// Start starts a server, or several that form a cluster. They end with the test. It returns when they are ready.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	c := &Cluster{}
	var routes, listens []string
	for i := range options.Servers {
		c.Servers = append(c.Servers, &Server{
			Name:    fmt.Sprintf("n%d", i+1),
			Addr:    freeport.Address(t),
			dir:     t.TempDir(),
			monitor: freeport.Address(t),
		})
		listens = append(listens, freeport.Address(t))
		routes = append(routes, "nats-route://"+listens[i])
	}
	for i, s := range c.Servers {
		config := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream {store_dir: %q}\n%s\n", s.Name, s.Addr, s.monitor, s.file("data"), options.Config)
		if options.Servers > 1 {
			config += fmt.Sprintf("cluster {name: natstest, listen: %q, no_advertise: true, routes: [%s]}\n", listens[i], strings.Join(routes, ", "))
		}
		if err := os.WriteFile(s.file("nats.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Launch(t)
		t.Cleanup(func() {
			s.Kill()
			if t.Failed() {
				t.Logf("the log of %s (%s):\n%s", s.Name, s.Addr, s.Log())
			}
		})
	}
	for _, s := range c.Servers {
		s.awaitReady(t)
	}
	return c
}

// URL returns the URL for clients: all servers, separated by commas.
func (c *Cluster) URL() string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, "nats://"+s.Addr)
	}
	return strings.Join(urls, ",")
}

// Server returns the server of that name.
func (c *Cluster) Server(name string) *Server {
	return c.Servers[slices.IndexFunc(c.Servers, func(s *Server) bool { return s.Name == name })]
}

// Leader waits until a stream has a leader and returns that server's name.
func (c *Cluster) Leader(t testing.TB, stream string) string {
	t.Helper()
	conn, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		found, err := js.Stream(t.Context(), stream) // its leader answers
		if err == nil && found.CachedInfo().Cluster != nil && found.CachedInfo().Cluster.Leader != "" {
			return found.CachedInfo().Cluster.Leader
		}
	}
	t.Fatalf("the stream %s has no leader", stream)
	return ""
}

// Launch starts the server without waiting until it is ready. After Kill it has the same addresses and files as before.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	program, err := build()
	if err == nil {
		s.Process, err = process.Start(exec.Command(program, "--config", s.file("nats.conf")), s.file("log"))
	}
	if err != nil {
		t.Fatalf("nats-server: %v", err)
	}
}

// Restart calls Launch and waits until the server is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.awaitReady(t)
}

// awaitReady waits until the server is healthy, its streams included.
func (s *Server) awaitReady(t testing.TB) {
	t.Helper()
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	err := s.Await(60*time.Second, func() error {
		answer, err := client.Get("http://" + s.monitor + "/healthz")
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			err = errors.New(answer.Status)
		}
		return errors.Join(err, answer.Body.Close())
	})
	if err != nil {
		t.Fatalf("%s %v", s.Name, err)
	}
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }
