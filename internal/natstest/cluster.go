package natstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
)

// Options say what servers to start.
type Options struct {
	Servers int    // 1, or as many as are to form a cluster
	Scheme  string // of the URL: nats if empty, or tls
	Config  string // more of the servers' configuration, in the server's own language

	Unready bool // do not wait until the servers answer
}

// Cluster is some servers that belong together. Its methods are for the test's goroutine.
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
	monitor string // host:port of what it tells of itself
	process *process
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
	var gossip []int
	for i := range options.Servers {
		c.Servers = append(c.Servers, &Server{
			Name:    fmt.Sprintf("n%d", i+1),
			Addr:    freeport.Address(t),
			cluster: c,
			dir:     t.TempDir(),
			monitor: freeport.Address(t),
		})
		gossip = append(gossip, freeport.Take(t))
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", gossip[i]))
	}
	for i, s := range c.Servers {
		config := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream {store_dir: %q}\n%s\n", s.Name, s.Addr, s.monitor, filepath.Join(s.dir, "data"), options.Config)
		if options.Servers > 1 {
			config += fmt.Sprintf("cluster {name: natstest, listen: \"127.0.0.1:%d\", no_advertise: true, routes: [%s]}\n", gossip[i], strings.Join(routes, ", "))
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
				t.Logf("%s, at %s, has logged:\n%s", s.Name, s.Addr, s.log())
			}
		}
	})
	if !options.Unready {
		c.AwaitReady(t)
	}
	return c
}

// URL is what a client connects to: all servers, with commas between them.
func (c *Cluster) URL() string {
	urls := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Server returns the one of a name.
func (c *Cluster) Server(name string) *Server {
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// AwaitReady waits until all servers answer, and keep and serve their streams.
func (c *Cluster) AwaitReady(t testing.TB) {
	t.Helper()
	for _, s := range c.Servers {
		s.AwaitReady(t)
	}
}

// Leader returns the name of the server that leads a stream.
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

// URL is what a client connects to that wants this server.
func (s *Server) URL() string { return s.cluster.options.Scheme + "://" + s.Addr }

// Launch starts the server, for the first time or after Kill or Stop with the same addresses and files, and does not wait for it.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	s.process = launch(t, s.cluster.program, filepath.Join(s.dir, "nats.conf"), filepath.Join(s.dir, "log"))
}

// Restart is Launch, and waits until the server is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.AwaitReady(t)
}

// AwaitReady waits until the server answers, and keeps and serves its streams.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := s.get("/healthz", nil)
		if err == nil {
			return
		}
		select {
		case <-s.process.done:
			t.Fatalf("%s has ended at once:\n%s", s.Name, s.log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", s.Name, err)
		}
		time.Sleep(50 * time.Millisecond) // the server logs each of these questions that it cannot answer well
	}
}

// Kill ends the server at once. What the operating system has of it stays.
func (s *Server) Kill() { s.process.kill() }

// Stop ends the server as an administrator would.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.process.signal(syscall.SIGTERM)
	select {
	case <-s.process.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not stop:\n%s", s.Name, s.log())
	}
}

// Freeze halts the server: its connections stay, but nothing answers.
func (s *Server) Freeze() { s.process.freeze() }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.process.signal(syscall.SIGCONT) }

// leader returns who leads a stream, if this server knows.
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

// get asks the server about itself. Anything but 200 is an error.
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

// log returns the end of what the server has logged.
func (s *Server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const end = 6000
	return string(text[max(0, len(text)-end):])
}
