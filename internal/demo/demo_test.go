package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/process"
)

// asProgram makes the test's binary run the command.
const asProgram = "ZARAFA_PRESENCE_DEMO_TEST_AS_PROGRAM=1"

// programs are the daemon and this test's binary, in a folder that every user can read.
var programs struct{ dir, daemon, demo string }

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asProgram, "="); os.Getenv(name) == value {
		main()
		os.Exit(0)
	}
	code, err := withPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

// withPrograms builds the programs and runs the tests.
func withPrograms(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "demo-test-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs.dir, programs.daemon, programs.demo = dir, filepath.Join(dir, "zarafa-presence"), filepath.Join(dir, "demo")
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	if output, err := exec.Command("go", "build", "-o", programs.daemon, "../../cmd/zarafa-presence").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the daemon: %w\n%s", err, output)
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(programs.demo, content, 0o755); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// demo is a running demo, a separate process in its own process group, as a shell would start it.
type demo struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr syncBuffer
	code           chan int
	temporary      string // its TMPDIR
	url, token     string
}

// launch starts a demo, as root or as another user.
func launch(t *testing.T, as *syscall.Credential, args ...string) *demo {
	t.Helper()
	d := prepare(t, as, args...)
	d.start(&d.stdout)
	return d
}

func prepare(t *testing.T, as *syscall.Credential, args ...string) *demo {
	t.Helper()
	temporary, err := os.MkdirTemp(programs.dir, "tmp-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(temporary, 0o777); err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, temporary: temporary, code: make(chan int, 1)}
	d.command = exec.Command(programs.demo, append([]string{"-daemon", programs.daemon, "-listen", "127.0.0.1:0"}, args...)...)
	d.command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temporary, "PRESENCE_HTTP__LISTEN=192.0.2.1:1", asProgram}
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as, Pdeathsig: syscall.SIGKILL}
	d.command.Stderr = &d.stderr
	return d
}

func (d *demo) start(stdout io.Writer) {
	d.t.Helper()
	d.command.Stdout = stdout
	if err := d.command.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		_ = d.command.Wait()
		d.code <- d.command.ProcessState.ExitCode()
	}()
	d.t.Cleanup(func() { _ = syscall.Kill(-d.command.Process.Pid, syscall.SIGKILL) }) // only if the test has failed
}

var (
	boardURL   = regexp.MustCompile(`(http://\S+/)board#code=\S+`)
	boardToken = regexp.MustCompile(`PRESENCE_TOKEN='(\S+)'`)
)

// awaitInstructions waits until the demo has printed the board's URL, and takes the daemon's URL and the token from it.
func (d *demo) awaitInstructions() {
	d.t.Helper()
	eventually(d.t, "the address is printed\n"+d.stderr.String(), func() bool { return strings.Contains(d.stdout.String(), "Ctrl-C ends") })
	found, token := boardURL.FindStringSubmatch(d.stdout.String()), boardToken.FindStringSubmatch(d.stdout.String())
	if found == nil || token == nil {
		d.t.Fatalf("no address or no token in\n%s", d.stdout.String())
	}
	d.url, d.token = found[1], token[1]
}

// ends waits for the end, and checks the exit code and that no file or process is left.
func (d *demo) ends(code int) {
	d.t.Helper()
	select {
	case got := <-d.code:
		if got != code {
			d.t.Errorf("exit code %d, want %d:\n%s%s", got, code, d.stdout.String(), d.stderr.String())
		}
	case <-time.After(30 * time.Second):
		d.t.Fatalf("it does not end:\n%s%s", d.stdout.String(), d.stderr.String())
	}
	if folders := d.folders(); len(folders) > 0 {
		d.t.Errorf("folders are left: %v", folders)
	}
	if left := d.processes(""); len(left) > 0 {
		d.t.Errorf("processes are left: %v", left)
	}
}

func (d *demo) folders() []string {
	found, err := filepath.Glob(filepath.Join(d.temporary, "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// processes finds the servers that the demo has started, whose command lines contain name. It knows them by the demo's TMPDIR in their
// command lines.
func (d *demo) processes(name string) map[int]string {
	d.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		d.t.Fatal(err)
	}
	found := map[int]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		line := strings.ReplaceAll(string(text), "\x00", " ")
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(line, d.temporary) && strings.Contains(line, name) {
			found[pid] = line
		}
	}
	return found
}

func (d *demo) signal(signal syscall.Signal) {
	d.t.Helper()
	if err := syscall.Kill(-d.command.Process.Pid, signal); err != nil { // the group, as a terminal does
		d.t.Fatal(err)
	}
}

// seen asks the daemon for everybody and adds each presence as protocol=status.
func (d *demo) seen(all map[string]bool) {
	d.t.Helper()
	var entries []string
	for _, p := range people {
		entries = append(entries, fmt.Sprintf(`{"user_id":"%s@example.test"}`, p))
	}
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, d.token, strings.Join(entries, ","))
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ UserStatus []map[string]json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.UserStatus) != len(people) {
		d.t.Fatalf("GET: %s: %d users, %v", response.Status, len(answer.UserStatus), err)
	}
	for _, entry := range answer.UserStatus {
		for protocol, text := range entry {
			var presence struct{ Status string }
			if json.Unmarshal(text, &presence) == nil {
				all[protocol+"="+presence.Status] = true
			}
		}
	}
}

var watchLine = regexp.MustCompile(`(?m)^ *(PRESENCE_TOKEN=.* watch --url .*)$`)

// watches runs the printed watch command in a shell, and waits until its output names everybody.
func (d *demo) watches() {
	d.t.Helper()
	found := watchLine.FindStringSubmatch(d.stdout.String())
	if found == nil {
		d.t.Fatalf("no command to watch in\n%s", d.stdout.String())
	}
	var told syncBuffer
	shell := exec.Command("/bin/sh", "-c", "exec env "+found[1])
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	shell.Stdout, shell.Stderr = &told, &told
	if err := shell.Start(); err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		_ = shell.Process.Signal(syscall.SIGINT)
		if err := shell.Wait(); err != nil {
			d.t.Errorf("%s: %v\n%s", found[1], err, told.String())
		}
	}()
	eventually(d.t, "watch names everybody", func() bool {
		return !slices.ContainsFunc(people, func(p string) bool { return !strings.Contains(told.String(), p+"@example.test") })
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 seconds: %s", what)
		}
	}
}

// nobody returns the account nobody, which has no privileges.
func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	account, err := process.Account("nobody")
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// TestDemo runs the demo as root and as an ordinary user until every protocol and status was seen over HTTP, and ends it.
func TestDemo(t *testing.T) {
	for _, test := range []struct {
		name   string
		as     *syscall.Credential
		signal syscall.Signal
	}{
		{"root", nil, syscall.SIGINT},
		{"nobody", nobody(t), syscall.SIGTERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := launch(t, test.as, "-v")
			d.awaitInstructions()
			begin := time.Now()
			if len(d.folders()) < 2 || len(d.processes("prosody")) == 0 || len(d.processes("zarafa-presence")) == 0 {
				t.Fatalf("the test cannot see what the demo has started: %v %v", d.folders(), d.processes(""))
			}
			want := []string{"spreed=available", "spreed=busy", "manual=busy", "asterisk=busy", "calendar=busy", "calendar=away"}
			for _, status := range domain.Statuses() {
				want = append(want, "xmpp="+status.String())
			}
			all := map[string]bool{}
			eventually(t, fmt.Sprintf("everything of %v is seen", want), func() bool {
				d.seen(all)
				return !slices.ContainsFunc(want, func(status string) bool { return !all[status] })
			})
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("all statuses and protocols were seen only after %v", took)
			}
			d.watches()
			d.signal(test.signal)
			d.ends(0)
			if text := d.stderr.String(); text != "" {
				t.Errorf("it complains: %s", text)
			}
			if conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(d.url, "http://"), "/")); err == nil {
				conn.Close()
				t.Error("something still listens")
			}
		})
	}
}

// TestEarlyEnd ends the demo while it is starting.
func TestEarlyEnd(t *testing.T) {
	d := launch(t, nil)
	eventually(t, "a server is starting", func() bool { return len(d.processes("prosody")) > 0 })
	d.signal(syscall.SIGINT)
	d.ends(0)
}

// TestImpatience: Ctrl-C again and again leaves nothing behind either.
func TestImpatience(t *testing.T) {
	d := launch(t, nil)
	d.awaitInstructions()
	d.signal(syscall.SIGINT)
	eventually(t, "it has begun to end", func() bool {
		return strings.Contains(d.stdout.String(), "Ending") || len(d.folders()) == 0
	})
	eventually(t, "it ends", func() bool {
		_ = d.command.Process.Signal(syscall.SIGINT) // it may have ended already
		_ = d.command.Process.Signal(syscall.SIGTERM)
		return len(d.code) > 0
	})
	d.ends(0)
}

// TestReaderGone: the demo ends when nobody reads its output, as in `make demo | head -1`.
func TestReaderGone(t *testing.T) {
	read, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := prepare(t, nil, "-v")
	d.start(written)
	if err := written.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	d.ends(0)
}

// TestServerGone: if one server ends, the demo says so and ends the other.
func TestServerGone(t *testing.T) {
	for server, says := range map[string]string{"prosody ": "Prosody has ended", "zarafa-presence serve ": "the daemon has ended"} {
		t.Run(server, func(t *testing.T) {
			d := launch(t, nil)
			d.awaitInstructions()
			running := d.processes(server)
			if len(running) != 1 {
				t.Fatalf("%d processes of %s: %v", len(running), server, d.processes(""))
			}
			for pid := range running {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			d.ends(1)
			if !strings.Contains(d.stderr.String(), says) {
				t.Errorf("it says %q, want %q", d.stderr.String(), says)
			}
		})
	}
}

// TestRefusals: if the demo cannot start it says why in one sentence.
func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"taken", []string{"-listen", taken.Addr().String()}, 1, []string{taken.Addr().String(), "address already in use", "make demo ARGS=-listen="}},
		{"no address", []string{"-listen", "8123"}, 1, []string{"-listen: ", "address 8123: missing port", "127.0.0.1:8123"}},
		{"no daemon", []string{"-daemon", "/nowhere/d"}, 1, []string{"/nowhere/d", "`make demo` builds it"}},
		{"a daemon that ends", []string{"-daemon", "/bin/false"}, 1, []string{"the daemon ended during its start"}},
		{"a daemon that is none", []string{"-daemon", "/etc/hostname"}, 1, []string{"the daemon does not start", "/etc/hostname"}},
		{"argument", []string{"now"}, 2, []string{`unknown argument "now"`}},
		{"flag", []string{"-port=1"}, 2, []string{"-port"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := launch(t, nil, test.args...)
			d.ends(test.code)
			for _, want := range test.want {
				if text := d.stderr.String(); !strings.Contains(text, want) {
					t.Errorf("it says %q, which lacks %q", text, want)
				}
			}
		})
	}
	err = check("/nowhere/prosody")
	if err == nil || !strings.Contains(err.Error(), "sudo apt-get install prosody") {
		t.Errorf("without Prosody it says %v", err)
	}
}
