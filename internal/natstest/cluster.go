package natstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// Options says which servers to start.
type Options struct {
	Servers int    // 1, or the number of servers in a cluster
	Scheme  string // of the URL: nats (also if empty) or tls
	Config  string // appended to each server's configuration, in the server's own syntax

	Unready bool // do not wait until the servers answer
}

// Cluster is one server or several that form a cluster. Its methods are for the test's goroutine.
type Cluster struct {
	Servers []*Server

	options Options
	program string
	client  *http.Client
}

// Server is one server of a cluster.
type Server struct {
	Name string
	Addr string // host:port for clients

	cluster *Cluster
	dir     string
	monitor string // host:port of its monitoring endpoint
	process *process.Process
}

// Start starts a server, or several that form a cluster. They end with the test. It returns when they are ready.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if options.Scheme == "" {
		options.Scheme = "nats"
	}
	c := &Cluster{
		options: options,
		program: program,
		client:  &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	var routes []string
	var routePorts []int
	for i := range options.Servers {
		c.Servers = append(c.Servers, &Server{
			Name:    fmt.Sprintf("n%d", i+1),
			Addr:    freeport.Address(t),
			cluster: c,
			dir:     t.TempDir(),
			monitor: freeport.Address(t),
		})
		routePorts = append(routePorts, freeport.Take(t))
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", routePorts[i]))
	}
	for i, s := range c.Servers {
		config := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream {store_dir: %q}\n%s\n", s.Name, s.Addr, s.monitor, filepath.Join(s.dir, "data"), options.Config)
		if options.Servers > 1 {
			config += fmt.Sprintf("cluster {name: natstest, listen: \"127.0.0.1:%d\", no_advertise: true, routes: [%s]}\n", routePorts[i], strings.Join(routes, ", "))
		}
		if err := os.WriteFile(filepath.Join(s.dir, "nats.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Launch(t)
		t.Cleanup(s.Kill)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range c.Servers {
				t.Logf("the log of %s (%s):\n%s", s.Name, s.Addr, s.log())
			}
		}
	})
	if !options.Unready {
		c.AwaitReady(t)
	}
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
	deadline := time.Now().Add(30 * time.Second)
	for {
		for _, s := range c.Servers {
			if leader := s.leader(stream); leader != "" {
				return leader
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no server knows who leads the stream %s", stream)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// URL returns the URL of this server for clients.
func (s *Server) URL() string { return s.cluster.options.Scheme + "://" + s.Addr }

// Launch starts the server without waiting until it is ready. After Kill or Stop it has the same addresses and files as before.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	var err error
	if s.process, err = process.Start(exec.Command(s.cluster.program, "--config", filepath.Join(s.dir, "nats.conf")), filepath.Join(s.dir, "log")); err != nil {
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
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := s.get("/healthz", nil)
		if err == nil {
			return
		}
		select {
		case <-s.process.Done():
			t.Fatalf("%s ended during its start:\n%s", s.Name, s.log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", s.Name, err)
		}
		time.Sleep(50 * time.Millisecond) // not more often: the server logs each failed health check
	}
}

// Kill ends the server with SIGKILL. Data that it has handed to the operating system survives.
func (s *Server) Kill() { s.process.Kill() }

// Stop ends the server as an administrator would.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.process.Signal(syscall.SIGTERM)
	select {
	case <-s.process.Done():
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not stop:\n%s", s.Name, s.log())
	}
}

// Freeze stops the server with SIGSTOP: its connections stay open, but nothing answers.
func (s *Server) Freeze() { s.process.Freeze() }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.process.Signal(syscall.SIGCONT) }

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
	answer, err := s.cluster.client.Get("http://" + s.monitor + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// log returns the end of the server's log.
func (s *Server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const end = 6000
	return string(text[max(0, len(text)-end):])
}
