package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/process"
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/setting"
)

const (
	// boardUser is the user in the board's token: a service, because only services see everybody.
	boardUser = domain.UserID("board@" + xmpptest.Domain)

	// tokenExpire is how long the printed token is valid.
	tokenExpire = 12 * time.Hour

	// autoUnavailable is spreed.auto_unavailable, whose default of two minutes is too long for a demo.
	autoUnavailable = 12 * time.Second

	// How long the daemon may take to start, and to end before it is killed.
	startTime, stopTime = 20 * time.Second, 5 * time.Second
)

// daemon is a running daemon, a separate process.
type daemon struct {
	url     string // with a slash at the end
	tokens  *auth.Tokens
	log     string // its log file
	process *process.Process
}

// settings is the daemon's configuration. The store is in memory, so each demo starts empty.
const settings = `
http: {listen: %q}
auth:
  secret_file: %q
  services: [%s]
  token_expire: %v
store: {kind: memory}
protocols: [xmpp]
spreed: {auto_unavailable: %v}
xmpp:
  jid: %s
  password_file: %q
  host: %s
  ca_file: %q
  sweep_after: 2s
`

// startDaemon starts a daemon that watches an XMPP server, and returns when it serves requests.
func startDaemon(s *scope, program, listen string, server *xmpptest.Server) *daemon {
	dir := s.TempDir()
	secret, password, file := filepath.Join(dir, "secret"), filepath.Join(dir, "password"), filepath.Join(dir, "zarafa-presence.yaml")
	d := &daemon{log: filepath.Join(dir, "log")}
	shared := makeSecret()
	write(s, secret, shared)
	write(s, password, server.Password(xmpptest.Observer))
	write(s, file, fmt.Sprintf(settings, listen, secret, boardUser, tokenExpire, autoUnavailable,
		server.JID(xmpptest.Observer), password, server.Addr, server.CAFile))
	var err error
	config := auth.DefaultConfig()
	config.Secret = setting.NewSecret(strings.TrimSpace(shared))
	if d.tokens, err = auth.New(config, clock.New()); err != nil {
		s.Fatal(err)
	}
	d.launch(s, program, file)
	for deadline := time.Now().Add(startTime); d.url == ""; time.Sleep(20 * time.Millisecond) {
		select {
		case <-d.process.Done():
			s.Fatalf("the daemon ended during its start:\n%s", d.logText())
		default:
		}
		if time.Now().After(deadline) {
			s.Fatalf("the daemon has not started within %v:\n%s", startTime, d.logText())
		}
		d.url = servedAt(d.logText())
	}
	return d
}

func makeSecret() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return base64.StdEncoding.EncodeToString(random)
}

func write(s *scope, file, content string) {
	if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
		s.Fatal(err)
	}
}

// launch starts the process. It is not in the terminal's process group, so Ctrl-C reaches only the demo, which ends everything in order.
func (d *daemon) launch(s *scope, program, file string) {
	command := exec.Command(program, "serve", "--config", file)
	command.Env = []string{"PATH=" + os.Getenv("PATH")} // no PRESENCE_ variable of the terminal may reach it
	var err error
	if d.process, err = process.Start(command, d.log); err != nil {
		s.Fatalf("the daemon does not start: %v", err)
	}
	s.Cleanup(func() {
		d.process.Signal(syscall.SIGTERM)
		select {
		case <-d.process.Done():
		case <-time.After(stopTime):
			d.process.Kill()
		}
	})
}

// logText returns the daemon's log.
func (d *daemon) logText() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// servedAt returns the URL from the log of a daemon that has started, and "" before.
func servedAt(log string) string {
	_, after, _ := strings.Cut(log, "msg=listening url=")
	if fields := strings.Fields(after); len(fields) > 0 && strings.Contains(after, "msg=started") {
		return fields[0]
	}
	return ""
}

// free returns an error if an address is taken or invalid.
func free(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}
