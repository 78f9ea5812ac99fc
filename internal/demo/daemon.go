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
	"github.com/zarafa/presence/internal/xmpptest"
	"github.com/zarafa/presence/setting"
)

const (
	// board is the user whose token the board is opened with: a service, because it shows everybody.
	board = domain.UserID("board@" + xmpptest.Domain)

	// expire is how long the printed token is good for.
	expire = 12 * time.Hour

	// silence is after which time a meeting's client that says nothing any more counts as gone. In earnest it is two minutes.
	silence = 12 * time.Second

	// How long the daemon may take to start, and to end before it is killed.
	startTime, stopTime = 20 * time.Second, 5 * time.Second
)

// daemon is the daemon as it is built, in a process of its own.
type daemon struct {
	url    string // with a slash at the end
	tokens *auth.Tokens
	log    string // the file
	done   chan struct{}
}

// settings is the daemon's configuration. The store keeps nothing: the next demo begins anew.
const settings = `
http: {listen: %q}
auth:
  secret_file: %q
  services: [%s]
  token_expire: %v
store: {kind: memory}
protocols: [spreed, manual, xmpp]
spreed: {auto_unavailable: %v}
xmpp:
  jid: %s
  password_file: %q
  host: %s
  ca_file: %q
  sweep_after: 2s
`

// startDaemon starts a daemon that watches a server, and returns when it serves requests.
func startDaemon(s *scope, program, listen string, server *xmpptest.Server) *daemon {
	dir := s.TempDir()
	secret, password, file := filepath.Join(dir, "secret"), filepath.Join(dir, "password"), filepath.Join(dir, "zarafa-presence.yaml")
	d := &daemon{log: filepath.Join(dir, "log"), done: make(chan struct{})}
	shared := makeSecret()
	write(s, secret, shared)
	write(s, password, server.Password(xmpptest.Observer))
	write(s, file, fmt.Sprintf(settings, listen, secret, board, expire, silence, server.JID(xmpptest.Observer), password, server.Addr, server.CAFile))
	var err error
	config := auth.DefaultConfig()
	config.Secret = setting.NewSecret(strings.TrimSpace(shared))
	if d.tokens, err = auth.New(config, clock.New()); err != nil {
		s.Fatal(err)
	}
	d.launch(s, program, file)
	for deadline := time.Now().Add(startTime); d.url == ""; time.Sleep(20 * time.Millisecond) {
		select {
		case <-d.done:
			s.Fatalf("the daemon has ended at once:\n%s", d.said())
		default:
		}
		if time.Now().After(deadline) {
			s.Fatalf("the daemon has not started within %v:\n%s", startTime, d.said())
		}
		d.url = servedAt(d.said())
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

// launch starts the process. It is not in the terminal's group, so that Ctrl-C reaches the demo alone, which ends everything in order; and
// it ends if the demo is killed.
func (d *daemon) launch(s *scope, program, file string) {
	log, err := os.Create(d.log)
	if err != nil {
		s.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(program, "serve", "--config", file)
	command.Env = []string{"PATH=" + os.Getenv("PATH")} // no setting of this terminal is meant for it
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		s.Fatalf("the daemon does not start: %v", err)
	}
	go func() {
		_ = command.Wait() // what it has to say is in the log
		close(d.done)
	}()
	s.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.done:
		case <-time.After(stopTime):
			_ = command.Process.Kill()
			<-d.done
		}
	})
}

// said is what the daemon has logged.
func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// servedAt finds the address in the log of a daemon that has started; until then it is empty.
func servedAt(log string) string {
	_, after, _ := strings.Cut(log, "msg=listening url=")
	if fields := strings.Fields(after); len(fields) > 0 && strings.Contains(after, "msg=started") {
		return fields[0]
	}
	return ""
}

// free fails if nothing can listen on an address.
func free(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}
