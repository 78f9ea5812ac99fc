package command

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/internal/syncbuffer"
)

const (
	testSecret = "Ga7ouK9eeRie4oovQuai"
	markd      = "markd@zarafa.com"
)

// asProgram makes the test's binary behave as the command, for tests that need a process of its own.
const asProgram = "ZARAFA_PRESENCE_TEST_AS_PROGRAM=1"

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asProgram, "="); os.Getenv(name) == value {
		os.Exit(Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ(), wiring.BuiltIn()))
	}
	// fasthttp keeps the time of day in a goroutine of its own, for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	return Run(args, stdin, stdout, stderr, environ, wiring.BuiltIn())
}

// noConfig keeps a configuration that is installed on this machine out of the tests.
var noConfig = []string{envConfig + "=" + os.DevNull}

// daemonEnv is the environment of a daemon that keeps presences in memory, unless a flag says something else.
var daemonEnv = append([]string{"PRESENCE_STORE__KIND=memory"}, noConfig...)

// output is a buffer that one goroutine may fill while another looks.
type output = syncbuffer.Buffer

// result is what one command line did.
type result struct {
	code           int
	stdout, stderr string
}

func command(environ []string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(""), &stdout, &stderr, append(append([]string{}, noConfig...), environ...))
	return result{code, stdout.String(), stderr.String()}
}

// write puts a file into a fresh folder.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// daemon is a serve that runs in this process, through the same entry as main's.
type daemon struct {
	t              *testing.T
	stdout, stderr output
	code           chan int
	url            string
	together       bool // it ends by the signal to another daemon of the test
}

// serve starts it and returns when it listens.
func serve(t *testing.T, environ []string, args ...string) *daemon {
	t.Helper()
	return serveProtocols(t, wiring.BuiltIn(), append(append([]string{}, daemonEnv...), environ...), args...)
}

func serveProtocols(t *testing.T, protocols []wiring.Protocol, environ []string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, code: make(chan int, 1)}
	go func() {
		d.code <- Run(append([]string{"serve"}, args...), strings.NewReader(""), &d.stdout, &d.stderr, environ, protocols)
	}()
	t.Cleanup(func() {
		if d.code != nil {
			d.terminate(syscall.SIGTERM)
		}
	})
	eventually(t, "the daemon serves", func() bool {
		select {
		case code := <-d.code:
			d.code = nil
			t.Fatalf("serve ended with %d:\n%s", code, d.stderr.String())
		default:
		}
		return strings.Contains(d.stderr.String(), "msg=started")
	})
	_, after, found := strings.Cut(d.stderr.String(), "msg=listening url=")
	if !found {
		t.Fatalf("the log does not say where it listens:\n%s", d.stderr.String())
	}
	d.url = strings.Fields(after)[0]
	return d
}

// terminate sends a signal to this very process, as a service manager would, and returns the exit code.
func (d *daemon) terminate(sig syscall.Signal) int {
	d.t.Helper()
	begin := time.Now()
	if !d.together {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			d.t.Fatal(err)
		}
	}
	select {
	case code := <-d.code:
		d.code = nil
		if took := time.Since(begin); took > 2*time.Second {
			d.t.Errorf("%v ended the daemon only after %v", sig, took)
		}
		return code
	case <-time.After(10 * time.Second):
		d.t.Fatalf("%v does not end the daemon", sig)
		return -1
	}
}

// eventually waits until something holds, and fails the test if it takes more than half a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 seconds: %s", what)
		}
	}
}

// The command line itself: what is said about every mistake, where, and with which exit code.
func TestUsage(t *testing.T) {
	weak := write(t, "weak", "GEHEIM\n")
	tests := []struct {
		name    string
		environ []string
		args    []string
		code    int
		stderr  []string // all of them
	}{
		{"no such command", nil, []string{"srve"}, 2, []string{`unknown command "srve"; did you mean serve? (see: zarafa-presence --help)`}},
		{"no such command, with flags", nil, []string{"--config", "x", "gte", "--json", "--for", "2h", markd}, 2, []string{`unknown command "gte"; did you mean get? (see: zarafa-presence --help)`}},
		{"a flag and no command", nil, []string{"--json"}, 2, []string{"unknown flag: --json (see: zarafa-presence --help)"}},
		{"a letter that is no flag", nil, []string{"get", "-x"}, 2, []string{"unknown flag: -x (see: zarafa-presence get --help)"}},
		{"a flag without its value", nil, []string{"set", "--for"}, 2, []string{"--for needs a value (see: zarafa-presence set --help)"}},
		{"no name of a flag", nil, []string{"set", "--=x"}, 2, []string{`"--=x" is no flag`}},
		{"obsolete flags are not suggested", nil, []string{"serve", "--store.sycn=x"}, 2, []string{"unknown flag: --store.sycn (see: zarafa-presence serve --help)"}},
		{"help about nothing", nil, []string{"help", "foo"}, 2, []string{`unknown command "foo"`}},
		{"help about nothing below a command", nil, []string{"help", "completion", "fsh"}, 2, []string{`unknown command "fsh"; did you mean fish?`}},
		{"completion for no shell", nil, []string{"completion", "fsh"}, 2, []string{`unknown command "fsh"; did you mean fish? (see: zarafa-presence completion --help)`}},
		{"an impossible port", nil, []string{"get", "--url", "http://127.0.0.1:99999/", markd}, 2, []string{`not an address of a daemon: "http://127.0.0.1:99999/"`}},
		{"no such flag", nil, []string{"serve", "--http.listn=x"}, 2, []string{"unknown flag: --http.listn; did you mean --http.listen? (see: zarafa-presence serve --help)"}},
		{"flag of a wrong type", nil, []string{"serve", "--auth.token_expire=5"}, 2, []string{"--auth.token_expire", "expected a duration such as 90s, 5m or 1h30m, got \"5\""}},
		{"a secret as a flag", nil, []string{"serve", "--auth.secret=x"}, 2, []string{"unknown flag: --auth.secret"}},
		{"argument for serve", nil, []string{"serve", "now"}, 2, []string{`too many arguments from "now" on: expected none (see: zarafa-presence serve --help)`}},
		{"no secret", nil, []string{"serve"}, 2, []string{"auth.secret: a secret is needed", "openssl rand -base64 32"}},
		{"weak secret", nil, []string{"serve", "--auth.secret_file", weak}, 2, []string{"zarafa-presence: --auth.secret_file: " + weak + ": the secret is a ", "published example"}},
		{"missing secret file", nil, []string{"check", "--auth.secret_file", "/nowhere/s"}, 2, []string{"auth.secret_file: open /nowhere/s: no such file or directory"}},
		{"missing file", nil, []string{"serve", "--config", "/nowhere/c.yaml"}, 2, []string{"cannot read the configuration: open /nowhere/c.yaml: no such file or directory"}},
		{"missing file by environment", []string{"PRESENCE_CONFIG=/nowhere/d.yaml"}, []string{"check"}, 2, []string{"cannot read the configuration: open /nowhere/d.yaml"}},
		{"unknown variable", []string{"PRESENCE_HTTP__LISTN=x"}, []string{"check"}, 2, []string{"environment variable PRESENCE_HTTP__LISTN: there is no such key; did you mean PRESENCE_HTTP__LISTEN?"}},
		{"quickstart with a file", nil, []string{"serve", "--quickstart", t.TempDir(), "--config", "x"}, 2, []string{"--quickstart and --config exclude each other"}},
		{"quickstart in a file", nil, []string{"serve", "--quickstart", weak}, 1, []string{"making the secret: ", "not a directory"}},
		{"log file", []string{"PRESENCE_AUTH__SECRET=" + testSecret}, []string{"serve", "--log.file", "/nowhere/l"}, 2, []string{"zarafa-presence: --log.file: it cannot be made in /nowhere: no such file or directory"}},
		{"bad address", []string{"PRESENCE_AUTH__SECRET=" + testSecret}, []string{"serve", "--http.listen", "here"}, 2, []string{"zarafa-presence: --http.listen: \"here\" is not host:port"}},
		{"token for nobody", nil, []string{"token"}, 2, []string{"missing arguments: expected a user, e.g. markd@zarafa.com (see: zarafa-presence token --help)"}},
		{"token for two", nil, []string{"token", "a@b", "c@d"}, 2, []string{`too many arguments from "c@d" on: expected a user`}},
		{"token for a bad user", nil, []string{"token", "markd"}, 2, []string{`invalid user "markd": it has no @: an id is account@domain`}},
		{"token without a secret", nil, []string{"token", markd}, 2, []string{"auth.secret: a secret is needed"}},
		{"get nobody", nil, []string{"get"}, 2, []string{"missing arguments: expected users"}},
		{"get a group for nobody", []string{"PRESENCE_AUTH__SECRET=" + testSecret}, []string{"get", "group:helpdesk"}, 2, []string{"auth.services lists no service that get could ask as: name one there, or use --as or a token"}},
		{"watch until something", nil, []string{"watch", "--until", "noon", markd}, 2, []string{`--until: unknown status "noon": must be available, busy, away or unavailable (see: zarafa-presence watch --help)`}},
		{"watch until nothing", nil, []string{"watch", "--until", "", markd}, 2, []string{`--until: unknown status ""`}},
		{"watch for a time", nil, []string{"watch", "--timeout", "1h", markd}, 2, []string{"--timeout needs --until (see: zarafa-presence watch --help)"}},
		{"watch for no time", nil, []string{"watch", "--until", "busy", "--timeout", "0s", markd}, 2, []string{"--timeout must be a duration of more than zero, e.g. 30m"}},
		{"get a bad user", nil, []string{"get", markd, "x"}, 2, []string{`invalid user "x"`}},
		{"get as a bad user", nil, []string{"get", "--as", "x", markd}, 2, []string{`--as: invalid user "x"`}},
		{"get without a secret", nil, []string{"get", markd}, 2, []string{"auth.secret: a secret is needed"}},
		{"get from nowhere", nil, []string{"get", "--url", "localhost", markd}, 2, []string{`not an address of a daemon: "localhost"; expected e.g. http://127.0.0.1:1234/`}},
		{"get from a strange place", []string{"PRESENCE_URL=ftp://x/"}, []string{"get", markd}, 2, []string{`not an address of a daemon: "ftp://x/"`}},
		{"set without a status", nil, []string{"set", markd}, 2, []string{"missing arguments: expected USER STATUS [MESSAGE], e.g. markd@zarafa.com busy"}},
		{"set too much", nil, []string{"set", markd, "busy", "in", "a", "meeting"}, 2, []string{`too many arguments from "a" on`}},
		{"set a bad user", nil, []string{"set", "x", "busy"}, 2, []string{`invalid user "x"`}},
		{"set a bad status", nil, []string{"set", markd, "bussy"}, 2, []string{`unknown status "bussy": must be available, busy, away or unavailable`}},
		{"set a long message", nil, []string{"set", markd, "busy", strings.Repeat("x", 4097)}, 2, []string{"invalid message: 4097 bytes, at most 4096 are allowed"}},
		{"set for no time", nil, []string{"set", markd, "busy", "--for", "0s"}, 2, []string{`--for: it must be a duration of more than zero, e.g. 2h30m; it is "0s"`, "(see: zarafa-presence set --help)"}},
		{"set until something", nil, []string{"set", markd, "busy", "--until", "noon"}, 2, []string{"--until", "it is neither a time of day, e.g. 15:00, nor a date and time"}},
		{"set for a time and until another", nil, []string{"set", markd, "busy", "--for", "1h", "--until", "15:00"}, 2, []string{"--for and --until exclude each other (see: zarafa-presence set --help)"}},
		{"set on a bad protocol", nil, []string{"set", markd, "busy", "--protocol", "X Y"}, 2, []string{`--protocol: invalid protocol name "X Y"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := command(test.environ, test.args...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			for _, want := range test.stderr {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr %q lacks %q", got.stderr, want)
				}
			}
			if got.stdout != "" {
				t.Errorf("stdout %q, want nothing", got.stdout)
			}
			for line := range strings.Lines(got.stderr) {
				if !strings.HasPrefix(line, "zarafa-presence: ") && !strings.Contains(line, "level=INFO msg=starting") {
					t.Errorf("stderr has a stray line %q", line)
				}
			}
		})
	}
}

func TestHelp(t *testing.T) {
	tests := []struct {
		args []string
		want []string
		not  string
	}{
		{nil, []string{"Exit codes:", "4  the daemon cannot be reached", "serve ", "completion "}, ""},
		{[]string{"--help"}, []string{"Exit codes:"}, ""},
		{[]string{"serve", "--help"}, []string{"--http.listen string", "(default \"127.0.0.1:1234\")", "--quickstart DIR", "(default 5m)"}, "--auth.secret string"},
		{[]string{"serve", "--help"}, []string{"--store.dir string"}, "--store.sync"},
		{[]string{"get", "--help"}, []string{"--json", "PRESENCE_TOKEN", "--url", "--token", "--auth.secret_file", "It accepts every flag of serve"}, "--http.idle_timeout"},
		{[]string{"set", "--help"}, []string{"--url", "--token", "--auth.secret_file"}, "--http.idle_timeout"},
		{[]string{"watch", "--help"}, []string{"--url", "--token", "--auth.secret_file"}, "--http.idle_timeout"},
		{[]string{"help", "token"}, []string{"Prints a token for a user", "--auth.secret_file"}, "--http.idle_timeout"},
		{[]string{"__complete", "help", ""}, []string{"\nget\n"}, "bashrc"},
		{[]string{"__complete", "get", "--u"}, []string{"--url"}, "bashrc"},
		{[]string{"__complete", "serve", "--log.level="}, []string{"debug\ninfo\nwarn\nerror\n"}, "bashrc"},
		{[]string{"__complete", "serve", "--xmpp.tls="}, []string{"starttls\ndirect\n"}, "bashrc"},
		{[]string{"__complete", "serve", "--protocols="}, []string{"xmpp\n"}, "spreed"},
		{[]string{"__complete", "set", "--protocol="}, []string{"manual\nspreed\n"}, "xmpp"},
		{[]string{"--version"}, []string{"zarafa-presence ", "go1."}, ""},
		{[]string{"-v"}, []string{"zarafa-presence ", "go1."}, ""},
		{[]string{"version"}, []string{"zarafa-presence ", "go1."}, ""},
		{[]string{"completion", "bash"}, []string{"bash completion"}, ""},
		{[]string{"__complete", "set", markd, ""}, []string{"available\nbusy\n"}, "bashrc"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			got := command(nil, test.args...)
			for _, want := range test.want {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("stdout lacks %q:\n%s", want, got.stdout)
				}
			}
			if got.code != 0 || test.not != "" && strings.Contains(got.stdout, test.not) {
				t.Errorf("exit code %d, or stdout has %q:\n%s", got.code, test.not, got.stdout)
			}
		})
	}
}

// The protocols that a configuration declares are completed, too. Without one that can be read the others are.
func TestCompletionOfClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("clients: {phone: {expire: 2h}, door: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file, want string
	}{{file, "manual\nspreed\ndoor\nphone\n:"}, {file + ".not", "manual\nspreed\n:"}} {
		for _, args := range [][]string{{"__complete", "set", "--config", test.file, "--protocol", ""}, {"__complete", "clear", "--config", test.file, "--protocol="}} {
			if got := command(nil, args...); got.code != 0 || !strings.HasPrefix(got.stdout, test.want) {
				t.Errorf("%q: %+v, want %q", args, got, test.want)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	defer func(old string) { release = old }(release)
	release = "1.2.3"
	if got := command(nil, "version"); !strings.HasPrefix(got.stdout, "zarafa-presence 1.2.3 (go1.") {
		t.Errorf("version prints %q", got.stdout)
	}
	release = ""
	if got := command(nil, "version"); strings.HasPrefix(got.stdout, "zarafa-presence  (") {
		t.Errorf("without a release version prints %q", got.stdout)
	}
}
