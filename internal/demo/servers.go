package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/internal/process"
	"github.com/zarafa/presence/internal/xmpptest"
)

// boardUser is the user in the board's token: a service, because only services see everybody.
const boardUser = "board@" + xmpptest.Domain

// settings is the daemon's configuration. The store is in memory, so each demo starts empty, and the printed token is valid for a day's work.
// spreed.auto_unavailable is a little longer than an activity of the scenario.
const settings = `
http: {listen: %q}
auth: {secret: %q, services: [%s], token_expire: 12h}
store: {kind: memory}
protocols: [xmpp, asterisk, calendar]
precedence: [manual:busy, asterisk:busy, manual, calendar:away]
spreed: {auto_unavailable: 16s}
xmpp: {jid: %s, password: %q, host: %s, ca_file: %q, sweep_after: 2s}
asterisk: {host: %s, username: %s, password: %s}
calendar: {ics: [%s], refresh: 1s, message: title}
identities: [{user: board@example.test, display_name: Front desk}, %s]
status_entries:
  - {label: Lunch, status: away, activity: meal, for: 1h}
  - {label: Writing, status: busy, for: 2h}
  - {label: Working from home, status: available}
`

// servers are the XMPP server, a manager interface in Asterisk's place, the calendars, and the daemon, a separate process. They implement the TB of xmpptest and
// asterisktest, so that the demo can use what was made for tests.
type servers struct {
	xmpp      *xmpptest.Server
	phones    *asterisktest.Server
	calendars calendars
	daemon    *process.Process
	config    string // the daemon's, a file
	url       string // of the daemon, with a slash at the end
	ends      []func()
}

// check looks for what would prevent the servers from starting, before any is started.
func check(prosody string) error {
	if _, err := os.Stat(prosody); err != nil {
		return fmt.Errorf("the demo needs the XMPP server Prosody, and there is no %s.\nOn Debian or Ubuntu: sudo apt-get install prosody", prosody)
	}
	listener, err := net.Listen("tcp", *listen)
	if err == nil {
		return listener.Close()
	}
	return fmt.Errorf("the daemon cannot listen there: -listen: %w; another place: make demo ARGS=-listen=127.0.0.1:8123", err)
}

var listening = regexp.MustCompile(`(?s)msg=listening url=(\S+).*msg=started`)

// start starts the servers, and returns when both serve. If that fails it panics with a failure. Whatever it has started, end ends it.
func (s *servers) start() {
	s.xmpp = xmpptest.Start(s, xmpptest.Prosody, xmpptest.Options{Users: people})
	var hints []asterisktest.Hint
	for _, person := range people {
		hints = append(hints, asterisktest.Hint{Exten: extensionOf(person), Context: "default", Hint: "PJSIP/" + person})
	}
	s.phones = asterisktest.Start(s, hints...)
	s.startCalendars()
	dir := s.TempDir()
	s.config = filepath.Join(dir, "zarafa-presence.yaml")
	err := os.WriteFile(s.config, []byte(s.settings()), 0o600)
	if err != nil {
		s.Fatal(err)
	}
	if s.daemon, err = process.Start(s.command(context.Background(), "serve"), filepath.Join(dir, "log")); err != nil {
		s.Fatalf("the daemon does not start: %v; `make demo` builds it, and -daemon names another", err)
	}
	s.Cleanup(func() {
		if s.daemon.Signal(syscall.SIGTERM); !s.daemon.EndsWithin(5 * time.Second) {
			s.daemon.Kill()
		}
	})
	err = s.daemon.Await(20*time.Second, func() error {
		if found := listening.FindStringSubmatch(s.daemon.Log()); found != nil {
			s.url = found[1]
			return nil
		}
		return errors.New("it does not say where it listens")
	})
	if err != nil {
		s.Fatalf("the daemon %v:\n%s", err, s.daemon.Log())
	}
}

// extensionOf is the extension of a person's telephone.
func extensionOf(person string) string { return fmt.Sprint(4701 + slices.Index(people, person)) }

// settings returns the daemon's configuration.
func (s *servers) settings() string {
	var ics, identities []string
	for i, person := range people {
		user := s.xmpp.JID(person)
		group := groups[i*len(groups)/len(people)]
		ics = append(ics, fmt.Sprintf("{user: %s, url: %q}", user, s.calendars.address(person)))
		name := strings.ToUpper(person[:1]) + person[1:]
		identities = append(identities, fmt.Sprintf("{user: %s, display_name: %s, groups: [%s], names: {asterisk: [%s@default]}}",
			user, name, group, extensionOf(person)))
	}
	return fmt.Sprintf(settings, *listen, rand.Text(), boardUser,
		s.xmpp.JID(xmpptest.Observer), s.xmpp.Password(xmpptest.Observer), s.xmpp.Addr, s.xmpp.CAFile,
		s.phones.Addr(), asterisktest.Username, asterisktest.Password, strings.Join(ics, ", "), strings.Join(identities, ", "))
}

// command is one of the daemon's commands, with the demo's configuration. No PRESENCE_ variable of the terminal reaches it.
func (s *servers) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, *program, append(args, "--config", s.config)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	return command
}

// ask runs a command to its end, and returns what it has printed.
func (s *servers) ask(ctx context.Context, args ...string) (string, error) {
	output, err := s.command(ctx, args...).CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err != nil {
		return "", fmt.Errorf("%s %v: %w\n%s", *program, args, err, text)
	}
	return text, nil
}

// ended returns an error once a server has ended by itself.
func (s *servers) ended() error {
	select {
	case <-s.daemon.Done():
		return fmt.Errorf("the daemon has ended:\n%s", strings.TrimSpace(s.daemon.Log()))
	case <-s.xmpp.Done():
		return fmt.Errorf("Prosody has ended:\n%s", strings.TrimSpace(s.xmpp.Log())) //nolint:staticcheck // it is a name
	default:
		return nil
	}
}

// failure is what Fatal panics with.
type failure struct{ error }

func (*servers) Fatal(args ...any)                 { panic(failure{errors.New(fmt.Sprint(args...))}) }
func (*servers) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (*servers) Helper()                           {}
func (s *servers) Cleanup(end func())              { s.ends = append(s.ends, end) }

// TempDir implements xmpptest.TB. Only this user can read the folder.
func (s *servers) TempDir() string {
	dir, err := os.MkdirTemp("", "zarafa-presence-demo-*")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// end calls the cleanup functions, last first. Whoever calls start defers it: err gets what Fatal was told.
func (s *servers) end(err *error) {
	for _, end := range slices.Backward(s.ends) {
		end()
	}
	if reason := recover(); reason != nil {
		*err = reason.(failure) // anything else panics again
	}
}
