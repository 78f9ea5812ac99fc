package xmpptest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// Kind is the name of a server program.
type Kind string

// The server programs.
const (
	Prosody  Kind = "prosody"
	Ejabberd Kind = "ejabberd"
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{Prosody, Ejabberd} }

// Domain is the domain that every server serves.
const Domain = "example.test"

// Observer is the account that watches the others.
const Observer = "observer"

// Seeing says how the observer's account gets the other users' presence.
type Seeing int

// The ways to get presence. Only Prosody supports Privilege.
const (
	Group      Seeing = iota // a group on the server puts all users and the observer in each other's roster
	Privilege                // the server sends the observer everybody's presence (XEP-0356), without a roster
	Subscribed               // only users with a subscription both ways
)

// Options says which server to start.
type Options struct {
	Users  []string // accounts besides Observer; if empty: alice, bob, carol and dave
	Seeing Seeing
	TLS12  bool // no TLS 1.3

	Modules map[string]string // of Prosody, by their names without mod_: Lua
	More    string            // of Prosody's configuration, at its end
}

// Server is a running server. Its methods are for the test's goroutine.
type Server struct {
	Kind      Kind
	Addr      string              // host:port for STARTTLS
	DirectTLS string              // host:port for TLS from the first byte
	Component string              // host:port for the component, see Gateway
	CAFile    string              // PEM file of the authority that issued its certificate
	Authority *certtest.Authority // that authority

	*process.Process                     // a new one after Restart
	options          Options             // Observer is one of the users
	dir              string              // temporary folder with all its files
	account          *syscall.Credential // of the program; nil: the user who runs the test
	program          program
}

// program is what differs between the servers.
type program interface {
	prepare(t TB, s *Server)     // writes the configuration
	command(s *Server) *exec.Cmd // runs the program
	populate(t TB, s *Server)    // creates accounts, and does what Group says if the configuration does not
	stop(t TB, s *Server)        // makes the program shut down
}

// Start starts a server and creates all accounts. The server ends with the test.
func Start(t TB, kind Kind, options Options) *Server {
	t.Helper()
	if len(options.Users) == 0 {
		options.Users = []string{"alice", "bob", "carol", "dave"}
	}
	options.Users = append([]string{Observer}, options.Users...)
	dir, err := os.MkdirTemp("", "xmpptest-*") // not t.TempDir, which the server's system user cannot read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Kind:      kind,
		Addr:      freeport.Address(t),
		DirectTLS: freeport.Address(t),
		Component: freeport.Address(t),
		Authority: certtest.NewAuthority(t),
		CAFile:    filepath.Join(dir, "ca.pem"),
		options:   options,
		dir:       dir,
	}
	if s.program = (prosody{}); kind == Ejabberd {
		s.program = &ejabberd{}
	}
	s.write(t, "ca.pem", s.Authority.PEM)
	s.program.prepare(t, s)
	t.Cleanup(s.Kill)
	s.Restart(t)
	s.program.populate(t, s)
	return s
}

// JID returns a user's bare JID.
func (s *Server) JID(user string) string { return user + "@" + Domain }

// Password returns a user's password.
func (s *Server) Password(user string) string { return "secret of " + user }

// Restart starts the server again after Stop or Kill, with the same addresses and accounts, and returns when it is ready.
func (s *Server) Restart(t TB) {
	t.Helper()
	var err error
	if s.Process, err = process.Start(s.program.command(s), s.path("console.log")); err != nil {
		t.Fatalf(notInstalled, err)
	}
	if err := s.Await(60*time.Second, s.answers); err != nil {
		t.Fatalf("%v %v\n%s", s.Kind, err, s.Log())
	}
}

// answers returns nil if the server opens a stream.
func (s *Server) answers() error {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	_, err = openStream(conn, Domain)
	return err
}

// Stop shuts the server down as an administrator would: it ends its clients' streams properly.
func (s *Server) Stop(t TB) {
	t.Helper()
	s.program.stop(t, s)
	if !s.EndsWithin(30 * time.Second) {
		t.Fatalf("%v does not stop:\n%s", s.Kind, s.Log())
	}
	s.awaitEnd()
}

// Kill kills the server. Its connections break without an end of the stream.
func (s *Server) Kill() {
	if s.Process != nil {
		s.Process.Kill()
		s.awaitEnd()
	}
}

// awaitEnd waits until nothing listens: a child process may live a moment longer than its parent.
func (s *Server) awaitEnd() {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

const notInstalled = "%v: the server is not installed; `make test` installs it (scripts/install-test-packages)"

// command returns a command of the server's system account.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(program, args...)
	command.Dir = s.dir
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.dir, "LANG=C.UTF-8"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	return command
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(t TB, name string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.path(name)), 0o755), os.WriteFile(s.path(name), content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// configure writes a configuration file from a template.
func (s *Server) configure(t TB, name, text, api string) {
	t.Helper()
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	var content bytes.Buffer
	err := template.Must(template.New(name).Funcs(template.FuncMap{"port": port}).Parse(text)).Execute(&content, map[string]any{
		"Server": s, "Domain": Domain, "Gateway": Gateway, "GatewaySecret": componentSecret, "Dir": s.dir, "API": api, "Observer": s.JID(Observer), "TLS12": s.options.TLS12,
		"Group": s.options.Seeing == Group, "Privilege": s.options.Seeing == Privilege, "More": s.options.More,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, content.Bytes())
}

// runAs makes a system account the owner of everything in the temporary folder. The program will run as that account.
func (s *Server) runAs(t TB, account string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("run this test as root: the server must run as the system user %q, which only root can become", account)
	}
	var err error
	if s.account, err = process.Account(account); err != nil {
		t.Fatalf(notInstalled, err)
	}
	if output, err := exec.Command("chown", "-R", account, s.dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, output)
	}
}
