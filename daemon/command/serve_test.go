package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/apicontract"
	"github.com/zarafa/presence/internal/freeport"
)

// theContract is the document that describes the APIs.
var theContract = sync.OnceValue(func() *apicontract.Contract {
	c, err := apicontract.Load("../../adapters/http/internal/pages/static/openapi.json")
	if err != nil {
		panic(err)
	}
	return c
})

// documented lets no answer pass that is not documented.
func documented() http.RoundTripper {
	return apicontract.Transport{Contract: theContract(), Transport: &http.Transport{DisableKeepAlives: true}}
}

// request sends a document as a client would, and returns the status and the body.
func request(t *testing.T, method, url, token, entries string) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, token, entries)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: documented()}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func token(t *testing.T, environ []string, user string) string {
	t.Helper()
	got := command(environ, "token", user)
	if got.code != 0 {
		t.Fatalf("token: %d %s", got.code, got.stderr)
	}
	return strings.TrimSpace(got.stdout)
}

var secretEnv = []string{"PRESENCE_AUTH__SECRET=" + testSecret}

// From a configuration file to the last breath: set, ask, expire, end.
func TestServe(t *testing.T) {
	file := write(t, "zarafa-presence.yaml", `
http: {listen: 127.0.0.1:0}
auth: {secret: `+testSecret+`}
protocols: [spreed]
spreed: {auto_unavailable: 1s}
log: {level: debug}
`)
	d := serve(t, nil, "--config", file)
	mine := token(t, secretEnv, markd)

	var status int
	var body string
	want := `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"in a meeting"}}]}`
	eventually(t, "what was set is answered before it expires", func() bool { // on a machine so slow that it does expire, the next time
		status, body = request(t, "PUT", d.url, mine, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"in a meeting"}}`)
		if status != 200 || body != "" {
			t.Fatalf("PUT: %d %q", status, body)
		}
		if status, body = request(t, "GET", d.url, mine, `{"user_id":"markd@zarafa.com"}`); status != 200 {
			t.Fatalf("GET: %d %s", status, body)
		}
		return body == want
	})
	want = `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"unavailable","message":""}}]}`
	eventually(t, "the presence expires", func() bool {
		_, body = request(t, "GET", d.url, mine, `{"user_id":"markd@zarafa.com"}`)
		return body == want
	})
	forged := mine[:len(mine)-4] + "AAA="
	if status, _ := request(t, "GET", d.url, forged, `{"user_id":"markd@zarafa.com"}`); status != 401 {
		t.Errorf("a forged token is answered with %d", status)
	}
	if code := d.terminate(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.stderr.String())
	}
	log := d.stdout.String() + d.stderr.String()
	for _, hidden := range []string{testSecret, mine, forged, strings.Split(mine, ":")[2]} {
		if strings.Contains(log, hidden) {
			t.Errorf("the output shows a secret or a token:\n%s", log)
		}
	}
	for _, want := range []string{"msg=starting version=", "msg=listening url=" + d.url, `msg=started protocols="[manual spreed]" store=memory`, "msg=stopping signal=terminated", "msg=stopped"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if d.stdout.String() != "" {
		t.Errorf("stdout has %q", d.stdout.String())
	}
}

// At the usual level the log has a line for what an operator must know and none for a request.
func TestQuietLog(t *testing.T) {
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0")
	before := strings.Count(d.stderr.String(), "\n")
	mine := token(t, secretEnv, markd)
	for range 20 {
		if status, _ := request(t, "POST", d.url, mine, `{"user_id":"markd@zarafa.com","spreed":{"status":"away","message":""}}`); status != 200 {
			t.Fatalf("POST: %d", status)
		}
	}
	if after := strings.Count(d.stderr.String(), "\n"); after != before || before != 4 {
		t.Errorf("%d lines before the requests, %d after them; want 4:\n%s", before, after, d.stderr.String())
	}
	if code := d.terminate(syscall.SIGINT); code != 0 {
		t.Errorf("SIGINT: exit code %d", code)
	}
}

// SIGHUP opens the log again and does not end the daemon.
func TestHangup(t *testing.T) {
	name := filepath.Join(t.TempDir(), "presence.log")
	console := serve(t, secretEnv, "--http.listen=127.0.0.1:0") // for its signal handler, and to see that it lives on
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if status, _ := request(t, "GET", console.url, token(t, secretEnv, markd), `{"user_id":"a@b.c"}`); status != 200 {
		t.Fatalf("after SIGHUP: %d", status)
	}
	if code := console.terminate(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}

	program := start(t, secretEnv, "serve", "--http.listen=127.0.0.1:0", "--log.file="+name)
	logged := func(text string) func() bool {
		return func() bool { data, _ := os.ReadFile(name); return strings.Contains(string(data), text) }
	}
	eventually(t, "the log says started", logged("msg=started"))
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := program.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log is there again", func() bool { _, err := os.Stat(name); return err == nil })
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if !logged("msg=stopped")() {
		t.Error("the new log lacks the last lines")
	}
}

// start runs the command as a process of its own.
func start(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	program := exec.Command(os.Args[0], args...)
	program.Env = append(append([]string{asProgram}, daemonEnv...), environ...)
	program.Stdout, program.Stderr = new(output), new(output)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if program.ProcessState == nil {
			_ = program.Process.Kill()
			_ = program.Wait()
		}
	})
	return program
}

// A second signal ends the daemon at once, even if the first one has to wait for a request.
func TestSecondSignal(t *testing.T) {
	program := start(t, secretEnv, "serve", "--http.listen=127.0.0.1:0")
	stderr := program.Stderr.(*output)
	eventually(t, "the daemon serves", func() bool { return strings.Contains(stderr.String(), "msg=started") })
	_, after, _ := strings.Cut(stderr.String(), "url=http://")
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.Fields(after)[0], "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"); err != nil { // and no more
		t.Fatal(err)
	}
	answers := make(chan struct{})
	go func() { // the request has arrived when another one, sent later, is answered
		defer close(answers)
		other, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err != nil {
			return
		}
		defer other.Close()
		_, _ = io.WriteString(other, "DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, other)
	}()
	<-answers
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon is stopping", func() bool { return strings.Contains(stderr.String(), "msg=stopping") })
	// The handler is given up right after that line. Until then a signal is without effect, so it is sent until one has.
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	for {
		_ = program.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			state := program.ProcessState.Sys().(syscall.WaitStatus)
			if !state.Signaled() || state.Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v, not killed by the second signal:\n%s", err, stderr.String())
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A start that fails says why in one line, and ends with 1.
func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := command(secretEnv, "serve", "--store.kind=memory", "--http.listen", listener.Addr().String())
	want := "zarafa-presence: http.listen: " + listener.Addr().String() + " is taken by another program"
	last := strings.Split(strings.TrimSpace(got.stderr), "\n")
	if got.code != 1 || len(last) != 2 || !strings.HasPrefix(last[1], want) {
		t.Errorf("exit code %d, stderr %q; want 1 and %q", got.code, got.stderr, want)
	}
}

// The service manager is told when requests are served, and when no more; how the daemon is doing; and that it lives, as long as it wants to know.
func TestNotify(t *testing.T) {
	socket, told := manager(t)
	receive := func() string {
		select {
		case text := <-told:
			return text
		case <-time.After(20 * time.Second):
			return ""
		}
	}
	environ := []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000", "WATCHDOG_PID=" + strconv.Itoa(os.Getpid())}
	began := time.Now()
	d := serve(t, append(environ, secretEnv...), "--http.listen=127.0.0.1:0")
	if got := receive(); got != "READY=1\nSTATUS=serving: 0 users" {
		t.Errorf("told %q, want READY=1", got)
	}
	for range 5 {
		if got := receive(); got != "WATCHDOG=1" {
			t.Errorf("told %q, want WATCHDOG=1", got)
		}
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("five signs of life came within %v, want one in 100ms", took)
	}
	if status, _ := request(t, "PUT", d.url, token(t, secretEnv, markd), `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":""}}`); status != 200 {
		t.Fatal(status)
	}
	for got := receive(); got != "STATUS=serving: 1 users"; got = receive() {
		if got != "WATCHDOG=1" {
			t.Fatalf("told %q, want the number of users", got)
		}
	}
	d.terminate(syscall.SIGTERM)
	got := receive()
	for ; got == "WATCHDOG=1"; got = receive() {
	}
	if got != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("told %q, want STOPPING=1", got)
	}
}

// A watchdog that is for another process is not ours.
func TestWatchdogOfAnother(t *testing.T) {
	socket, told := manager(t)
	d := serve(t, append([]string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=20000", "WATCHDOG_PID=1"}, secretEnv...), "--http.listen=127.0.0.1:0")
	time.Sleep(100 * time.Millisecond)
	d.terminate(syscall.SIGTERM)
	for len(told) > 0 {
		if text := <-told; text == "WATCHDOG=1" {
			t.Fatal("it was told of our life")
		}
	}
}

// A service manager that cannot be told is no reason not to serve.
func TestNotifyFails(t *testing.T) {
	d := serve(t, append([]string{"NOTIFY_SOCKET=/nowhere/x"}, secretEnv...), "--http.listen=127.0.0.1:0")
	if code := d.terminate(syscall.SIGTERM); code != 0 || !strings.Contains(d.stderr.String(), "cannot notify the service manager") {
		t.Errorf("exit code %d, log:\n%s", code, d.stderr.String())
	}
}

// silent is a server that accepts connections and says nothing.
func silent(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // what was never accepted goes with it
	return listener.Addr().String()
}

// While the store cannot be loaded the daemon listens and asks clients to come back; the service manager is not told that it is ready; and
// a signal ends it in time.
func TestStopWhileLoading(t *testing.T) {
	name, told := manager(t)
	environ := append([]string{"NOTIFY_SOCKET=" + name, "GORACE=atexit_sleep_ms=0"}, secretEnv...) // else the race detector takes a second at the end
	program := start(t, environ, "serve", "--http.listen=127.0.0.1:0", "--store.kind=nats", "--store.url=nats://"+silent(t))
	stderr := program.Stderr.(*output)
	eventually(t, "the daemon listens", func() bool { return strings.Contains(stderr.String(), "msg=listening") })
	_, after, _ := strings.Cut(stderr.String(), "url=")
	status, body := request(t, "GET", strings.Fields(after)[0], token(t, secretEnv, markd), `{"user_id":"markd@zarafa.com"}`)
	if status != 503 || !strings.Contains(body, "the presences are being loaded; try again") {
		t.Errorf("while loading: %d %s", status, body)
	}
	begin := time.Now()
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("SIGTERM ended it only after %v", took)
	}
	if log := stderr.String(); !strings.Contains(log, "stopped before it was ready") || strings.Contains(log, "msg=started") {
		t.Errorf("the log is\n%s", log)
	}
	for len(told) > 0 { // what it has said is there
		if text := <-told; strings.Contains(text, "READY") {
			t.Errorf("the service manager was told %q", text)
		}
	}
}

// A store that cannot be opened ends the daemon with one sentence, although it listened already.
func TestStoreCannotBeOpened(t *testing.T) {
	dir := filepath.Dir(write(t, "thesis.txt", "not presences"))
	got := command(secretEnv, "serve", "--http.listen=127.0.0.1:0", "--store.dir", dir)
	lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
	want := "zarafa-presence: store.dir: " + dir + " holds something else than a presence store; name another directory, or an empty one"
	if got.code != 1 || lines[len(lines)-1] != want {
		t.Errorf("exit code %d, stderr\n%s\nwant 1 and %s", got.code, got.stderr, want)
	}
}

// A port that is taken is told at once, however long the store would take.
func TestPortTakenWhileStoreIsSlow(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	begin := time.Now()
	got := command(secretEnv, "serve", "--http.listen", listener.Addr().String(), "--store.url=nats://"+silent(t))
	if got.code != 1 || !strings.Contains(got.stderr, " is taken by another program") {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What is printed can be pasted into a shell as it is.
func TestQuickstart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	d := serve(t, nil, "--quickstart", dir, "--store.kind=bolt", "--http.listen=127.0.0.1:0")
	eventually(t, "the commands are printed", func() bool { return strings.Contains(d.stdout.String(), "Ctrl-C") })
	file := filepath.Join(dir, "secret")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the secret has mode %v, want -rw-------", info.Mode())
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(secret))); err != nil || len(raw) != 32 {
		t.Errorf("the secret is not 32 bytes in base64: %d, %v", len(raw), err)
	}
	var answers []string
	for line := range strings.Lines(d.stdout.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			answer, err := exec.Command("sh", "-c", strings.Replace(line, "curl ", "curl -sS --fail ", 1)).CombinedOutput()
			if err != nil {
				t.Fatalf("%s\n%v: %s", line, err, answer)
			}
			answers = append(answers, string(answer))
		}
	}
	if board := d.url + "board#code="; !strings.Contains(d.stdout.String(), "\n  "+board) {
		t.Errorf("%s is not among what is printed:\n%s", board, d.stdout.String())
	}
	want := []string{"", `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"available","message":"feeling chatty.."}}]}`}
	if strings.Join(answers, "\n") != strings.Join(want, "\n") {
		t.Errorf("the curl lines answer %q, want %q", answers, want)
	}
	for _, want := range []string{"lasts 5m", "token --auth.secret_file " + file + " markd@zarafa.com", d.url} {
		if !strings.Contains(d.stdout.String(), want) {
			t.Errorf("stdout lacks %q:\n%s", want, d.stdout.String())
		}
	}
	if log := d.stderr.String(); strings.Contains(log, strings.TrimSpace(string(secret))) {
		t.Errorf("the log shows the secret:\n%s", log)
	}
	d.terminate(syscall.SIGTERM)

	again := serve(t, nil, "--quickstart", dir, "--store.kind=bolt", "--http.listen=127.0.0.1:0")
	if same, _ := os.ReadFile(file); !bytes.Equal(same, secret) {
		t.Error("a second start has made another secret")
	}
	fresh := token(t, []string{"PRESENCE_AUTH__SECRET_FILE=" + file}, markd)
	if status, body := request(t, "GET", again.url, fresh, `{"user_id":"markd@zarafa.com"}`); status != 200 || body != want[1] {
		t.Errorf("after a second start: %d %s, want %s", status, body, want[1])
	}
	again.terminate(syscall.SIGTERM)
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A port or a store that an earlier daemon has is told with the way out.
func TestQuickstartTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	address := freeport.Address(t)
	first := start(t, nil, "serve", "--quickstart", dir, "--store.kind=bolt", "--http.listen", address)
	eventually(t, "the first one serves", func() bool { return strings.Contains(first.Stderr.(*output).String(), "msg=started") })
	for args, want := range map[string]string{
		"--http.listen=" + address: "choose another port: make run ARGS=--http.listen=127.0.0.1:8123",
		"--http.listen=127.0.0.1:0": "is in use by another zarafa-presence; stop that one first, or try this one with another directory: " +
			os.Args[0] + " serve --quickstart " + dir + "2 --http.listen=127.0.0.1:8123",
	} {
		got := command(nil, "serve", "--quickstart", dir, args)
		lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
		if got.code != 1 || !strings.HasSuffix(lines[len(lines)-1], want) {
			t.Errorf("%s: exit code %d, stderr\n%s\nwant 1 and %s", args, got.code, got.stderr, want)
		}
	}
}

// Many daemons that are started at once agree on one secret.
func TestMakeSecretRace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b", "secret")
	seen := make(chan string, 8)
	for range cap(seen) {
		go func() {
			if err := makeSecret(file); err != nil {
				seen <- err.Error()
				return
			}
			secret, _ := os.ReadFile(file)
			seen <- string(secret)
		}()
	}
	first := <-seen
	if len(first) != 45 {
		t.Fatalf("the secret is %q", first)
	}
	for range cap(seen) - 1 {
		if other := <-seen; other != first {
			t.Errorf("two secrets: %q and %q", first, other)
		}
	}
}

// The original's presence.cfg starts a daemon, and any valid token may update anybody, as its clients expect.
func TestServeLegacy(t *testing.T) {
	file := write(t, "presence.cfg", "# the original's\nserver_bind = 127.0.0.1\nserver_port = "+fmt.Sprint(freeport.Take(t))+"\nserver_secret_key = "+testSecret+
		"\ndata_save_interval = 5\nplugins = spreed\n")
	d := serve(t, nil, "--config", file)
	status, body := request(t, "PUT", d.url, token(t, secretEnv, "admin@zarafa.com"), `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":""}}`)
	if status != 200 {
		t.Errorf("PUT: %d %s", status, body)
	}
	for _, want := range []string{"presence.cfg:5: data_save_interval: ignored", "auth.update: any lets every user change every other user's presence, as in the original daemon"} {
		if strings.Count(d.stderr.String(), want) != 1 {
			t.Errorf("the log has not one warning %q:\n%s", want, d.stderr.String())
		}
	}
	if code := d.terminate(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
