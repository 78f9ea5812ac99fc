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
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// Options says which servers to start.
type Options struct {
	Servers int    // 1, or the number of servers in a cluster
	Scheme  string // of the URL: nats (also if empty) or tls
	Config  string // appended to each server's configuration, in the server's own syntax
}

// Cluster is one server or several that form a cluster. Its methods are for the test's goroutine.
type Cluster struct{ Servers []*Server }

// Server is one server of a cluster. It can be killed, frozen and thawed like every process.
type Server struct {
	*process.Process
	Name string
	Addr string // host:port for clients

	scheme  string
	program string
	dir     string
	monitor string // host:port of its monitoring endpoint
}

// Start starts a server, or several that form a cluster. They end with the test. It returns when they are ready.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{}
	var routes, listens []string
	for i := range options.Servers {
		c.Servers = append(c.Servers, &Server{
			Name:    fmt.Sprintf("n%d", i+1),
			Addr:    freeport.Address(t),
			scheme:  cmp.Or(options.Scheme, "nats"),
			program: program,
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
	c.AwaitReady(t)
	return c
}

// URL returns the URL for clients: all servers, separated by commas.
func (c *Cluster) URL() string {
	urls := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Server returns the server of that name, or nil.
func (c *Cluster) Server(name string) *Server {
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// AwaitReady waits until all servers are healthy, their streams included.
func (c *Cluster) AwaitReady(t testing.TB) {
	t.Helper()
	for _, s := range c.Servers {
		s.AwaitReady(t)
	}
}

// Leader waits until a stream has a leader and returns that server's name.
func (c *Cluster) Leader(t testing.TB, stream string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range c.Servers {
			if leader := s.leader(stream); leader != "" {
				return leader
			}
		}
	}
	t.Fatalf("no server knows who leads the stream %s", stream)
	return ""
}

// URL returns the URL of this server for clients.
func (s *Server) URL() string { return s.scheme + "://" + s.Addr }

// Launch starts the server without waiting until it is ready. After Kill it has the same addresses and files as before.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	var err error
	if s.Process, err = process.Start(exec.Command(s.program, "--config", s.file("nats.conf")), s.file("log")); err != nil {
		t.Fatal(err)
	}
}

// Restart calls Launch and waits until the server is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.AwaitReady(t)
}

// AwaitReady waits until the server is healthy, its streams included.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	if err := s.Await(60*time.Second, func() error { return s.get("/healthz", new(any)) }); err != nil {
		t.Fatalf("%s %v", s.Name, err)
	}
}

// Proxy is a way to the server that can fail: who uses it is cut off, and the others are not.
type Proxy struct {
	*faultproxy.Proxy
	server *Server
}

// Proxy starts a proxy in front of the server. It ends with the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	return &Proxy{Proxy: faultproxy.Start(t, s.Addr), server: s}
}

// URL is what a client connects to that goes through the proxy.
func (p *Proxy) URL() string { return p.server.scheme + "://" + p.Addr() }

// ServerURL is what a client connects to that does not go through the proxy.
func (p *Proxy) ServerURL() string { return p.server.URL() }

// leader returns the leader of a stream, or "" if this server does not know it.
func (s *Server) leader(stream string) string {
	var answer struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster *struct {
					Leader string `json:"leader"`
				} `json:"cluster"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if s.get("/jsz?streams=true", &answer) != nil {
		return ""
	}
	for _, account := range answer.Accounts {
		for _, found := range account.Streams {
			if found.Name == stream && found.Cluster != nil {
				return found.Cluster.Leader
			}
		}
	}
	return ""
}

// get queries the monitoring endpoint. Any status but 200 is an error.
func (s *Server) get(path string, into any) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.monitor + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }
