package xmpptest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// Kind is a server program.
type Kind int

// The server programs.
const (
	Prosody Kind = iota
	Ejabberd
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{Prosody, Ejabberd} }

// String returns the program's name.
func (k Kind) String() string { return [...]string{Prosody: "prosody", Ejabberd: "ejabberd"}[k] }

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
}

// Server is a running server. Its methods are for the test's goroutine.
type Server struct {
	Kind      Kind
	Domain    string
	Addr      string     // host:port for STARTTLS
	DirectTLS string     // host:port for TLS from the first byte
	CAFile    string     // PEM file of the authority that issued its certificate
	Authority *Authority // that authority

	options Options
	dir     string // temporary folder with all its files
	program program
	process *process.Process
}

// program is what differs between the servers.
type program interface {
	// prepare writes the configuration.
	prepare(t TB, s *Server)
	// start starts the program without waiting for it.
	start(t TB, s *Server) *process.Process
	// register creates an account.
	register(t TB, s *Server, user, password string)
	// stop makes the program shut down.
	stop(t TB, s *Server)
}

// Start starts a server and creates all accounts. The server ends with the test.
func Start(t TB, kind Kind, options Options) *Server {
	t.Helper()
	if len(options.Users) == 0 {
		options.Users = []string{"alice", "bob", "carol", "dave"}
	}
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
		Domain:    Domain,
		Addr:      freeport.Address(t),
		DirectTLS: freeport.Address(t),
		Authority: NewAuthority(t),
		CAFile:    filepath.Join(dir, "ca.pem"),
		options:   options,
		dir:       dir,
	}
	switch kind {
	case Prosody:
		s.program = &prosody{}
	case Ejabberd:
		s.program = &ejabberd{}
	}
	s.write(t, "ca.pem", s.Authority.PEM)
	s.program.prepare(t, s)
	t.Cleanup(s.Kill)
	s.Restart(t)
	s.program.register(t, s, Observer, s.Password(Observer))
	for _, user := range options.Users {
		s.program.register(t, s, user, s.Password(user))
	}
	if e, ok := s.program.(*ejabberd); ok && options.Seeing == Group {
		e.share(t, s) // Prosody has the group in its configuration
	}
	return s
}

// Register creates another account. On Prosody it is not in the group.
func (s *Server) Register(t TB, user string) {
	t.Helper()
	s.program.register(t, s, user, s.Password(user))
}

// JID returns a user's bare JID.
func (s *Server) JID(user string) string { return user + "@" + s.Domain }

// Password returns a user's password.
func (s *Server) Password(user string) string { return "secret of " + user }

// Restart starts the server again after Stop or Kill, with the same addresses and accounts, and returns when it is ready.
func (s *Server) Restart(t TB) {
	t.Helper()
	s.process = s.program.start(t, s)
	err := poll(60*time.Second, func() error {
		select {
		case <-s.process.Done():
			t.Fatalf("%v ended during its start:\n%s", s.Kind, s.Log())
		default:
		}
		return answers(s.Addr, s.Domain)
	})
	if err != nil {
		t.Fatalf("%v is not ready: %v\n%s", s.Kind, err, s.Log())
	}
}

// Stop shuts the server down as an administrator would: it ends its clients' streams properly.
func (s *Server) Stop(t TB) {
	t.Helper()
	s.program.stop(t, s)
	select {
	case <-s.process.Done():
	case <-time.After(30 * time.Second):
		t.Fatalf("%v does not stop:\n%s", s.Kind, s.Log())
	}
	s.awaitEnd()
}

// Done returns a channel that is closed when the server ends. It is a new one after Restart.
func (s *Server) Done() <-chan struct{} { return s.process.Done() }

// Kill kills the server. Its connections break without an end of the stream.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.Kill()
		s.awaitEnd()
	}
}

// awaitEnd waits until nothing listens any more: a child process may live a moment longer than its parent.
func (s *Server) awaitEnd() {
	_ = poll(5*time.Second, func() error {
		if conn, _ := net.Dial("tcp", s.Addr); conn != nil {
			_ = conn.Close()
			return errors.New("it still listens")
		}
		return nil
	})
}

// Freeze stops the server with SIGSTOP: its connections stay open, but nothing answers.
func (s *Server) Freeze() { s.process.Freeze() }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.process.Signal(syscall.SIGCONT) }

// Log returns the contents of the server's log files.
func (s *Server) Log() string {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*", "*.log"))
	top, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
	var all []byte
	var errs []error
	for _, file := range slices.Concat(top, files) {
		text, err := os.ReadFile(file)
		all, errs = append(all, text...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err.Error()
	}
	return string(all)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(t TB, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// own makes the server's system account the owner of everything in the temporary folder.
func (s *Server) own(t TB, account *syscall.Credential) {
	t.Helper()
	err := filepath.Walk(s.dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(account.Uid), int(account.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}
