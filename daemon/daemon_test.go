package daemon_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/internal/syncbuffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "Ga7ouK9eeRie4oovQuai"

// outside is the go.mod of a module that adds a protocol. A replace counts in the module that is built alone, so it repeats the daemon's.
const outside = `module example.test/presence-beacon

go 1.26.0

require (
	github.com/zarafa/presence v0.0.0
	go.uber.org/fx v1.24.0
)

replace github.com/zarafa/presence => ROOT

replace github.com/mattn/go-xmpp => github.com/xmppo/go-xmpp v0.3.6
`

// buildOutside builds a program of another module, in a folder of its own.
func buildOutside(t *testing.T) (program string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/outside")); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"go.mod": strings.Replace(outside, "ROOT", root, 1), "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "presence-beacon")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", program, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off") // all that it needs is here: the daemon needs it too
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// output is a buffer that one goroutine may fill while another looks.
type output = syncbuffer.Buffer

// A program of another module has its protocol in every command, key, flag, log line and answer.
func TestProtocolOfAnotherModule(t *testing.T) {
	program, environ := buildOutside(t), []string{"PRESENCE_CONFIG=" + os.DevNull, "PRESENCE_STORE__KIND=memory", "PRESENCE_AUTH__SECRET=" + secret}
	run := func(arguments ...string) (code int, text string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, arguments...)
		command.Env = environ
		all, err := command.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return command.ProcessState.ExitCode(), string(all)
	}
	expect := func(code int, text string, wantCode int, want ...string) {
		t.Helper()
		for _, part := range want {
			if code != wantCode || !strings.Contains(text, part) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, wantCode, part, text)
			}
		}
	}
	code, text := run("check", "--protocols=beacon")
	expect(code, text, 2, "zarafa-presence: beacon.user: ", "zarafa-presence: beacon.password: it is missing")
	code, text = run("check", "--beacon.after=soon")
	expect(code, text, 2, "--beacon.after", "expected a duration")
	code, text = run("check") // it is off
	expect(code, text, 0, "beacon:\n  user: \"\"")
	code, text = run("serve", "--help")
	expect(code, text, 0, "--beacon.user", "who is there, e.g. markd@zarafa.com")

	environ = append(environ, "PRESENCE_PROTOCOLS=beacon", "PRESENCE_BEACON__USER=markd@zarafa.com", "PRESENCE_BEACON__PASSWORD="+secret, "PRESENCE_HTTP__LISTEN=127.0.0.1:0")
	code, text = run("check")
	expect(code, text, 0, "  user: markd@zarafa.com\n  password: '********'", "protocols:\n  - beacon\n")
	serves(t, program, environ, func() string { _, token := run("token", "markd@zarafa.com"); return strings.TrimSpace(token) })
}

var listening = regexp.MustCompile(`msg=listening url=(\S+)`)

// serves runs the daemon until it has answered what the protocol says.
func serves(t *testing.T, program string, environ []string, token func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var log output
	daemon := exec.CommandContext(ctx, program, "serve")
	daemon.Env, daemon.Stdout, daemon.Stderr = environ, &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	answer, want := "", `"beacon":{"status":"busy","message":"on"}`
	for ctx.Err() == nil && !strings.Contains(answer, want) {
		time.Sleep(20 * time.Millisecond)
		if url := listening.FindStringSubmatch(log.String()); url != nil {
			answer = ask(t, url[1], `{"AuthenticationToken":"`+token()+`","Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com"}]}`)
		}
	}
	_ = daemon.Process.Signal(syscall.SIGTERM) // if it has ended, Wait says so
	if err := daemon.Wait(); err != nil || !strings.Contains(answer, want) {
		t.Errorf("it ended with %v, and the answer is %s, want %s\n%s", err, answer, want, log.String())
	}
	if text := log.String(); !strings.Contains(text, "msg=lit protocol=beacon password=********") || strings.Contains(text, secret) {
		t.Errorf("the log has\n%s", text)
	}
}

func ask(t *testing.T, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
