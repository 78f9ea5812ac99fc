package command

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/smalldisk"
	"github.com/zarafa/presence/ports"
)

const (
	clerk  = "clerk@example.test" // the service of these tests
	otherS = "eeth6Aiz4ohShai0oht1"
)

// lamp is a source without a server: its users are always there. It counts how often it has begun and ended.
type lamp struct {
	lampConfig
	identities ports.Identities
}

type lampConfig struct {
	Message string `koanf:"message" help:"what the users say"`
	Users   int    `koanf:"users" help:"how many there are"`
}

var (
	lampBegan, lampEnded atomic.Int32
	lampImage            *image.Image // of the daemon that was made last
)

func (l *lamp) Describe() domain.Source {
	return domain.Source{Protocol: domain.MustProtocol("lamp"), StaleAfter: time.Minute}
}

func (l *lamp) Run(ctx context.Context, observer ports.Observer) error {
	lampBegan.Add(1)
	defer lampEnded.Add(1)
	observer.Connected()
	for i := range l.Users {
		user := domain.UserID(strings.Replace(fmt.Sprintf("lamp%d@example.test", i), "lamp0@", "lamp@", 1))
		observer.Report(domain.Report{User: user, Device: "switch", Status: domain.Busy, Message: l.Message})
	}
	observer.Synced()
	for {
		changed := l.identities.Changed()
		_, _ = l.identities.User(l.Describe().Protocol, "somebody else") // nobody is
		for _, name := range l.identities.Names(l.Describe().Protocol) {
			observer.Report(domain.Report{User: name.User, Device: "switch", Status: domain.Busy})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func withLamp() []wiring.Protocol {
	module := fx.Module("lamp", fx.Provide(func(identities ports.Identities, img *image.Image) func(lampConfig) (ports.Source, error) {
		lampImage = img
		return func(c lampConfig) (ports.Source, error) { return &lamp{c, identities}, nil }
	}))
	return append(wiring.BuiltIn(), wiring.NewProtocol("lamp", func() lampConfig { return lampConfig{Message: "on", Users: 1} }, module))
}

// reloading is a daemon with a configuration file that a test changes, and a service manager that listens.
type reloading struct {
	*daemon
	file string
	base map[string]string // key to value, in YAML
	told chan string       // by the daemon to the service manager
}

// reloads starts it.
func reloads(t *testing.T, base map[string]string, args ...string) *reloading {
	t.Helper()
	usual := map[string]string{"http.listen": "127.0.0.1:0", "auth.secret": testSecret, "auth.services": "[" + clerk + "]", "store.kind": "memory"}
	maps.Copy(usual, base)
	r := &reloading{file: filepath.Join(t.TempDir(), "presence.yaml"), base: usual}
	r.write(t)
	var socket string
	socket, r.told = manager(t)
	r.daemon = serveProtocols(t, withLamp(), append([]string{"NOTIFY_SOCKET=" + socket}, noConfig...), append(args, "--config="+r.file)...)
	return r
}

// manager is a service manager. It returns the name of its socket, and what it is told.
func manager(t *testing.T) (name string, told chan string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	told = make(chan string, 10_000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 64<<10)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	t.Cleanup(func() { _ = socket.Close(); <-ended })
	return name, told
}

// write writes the base with some changes over it. A value that is empty takes the key away.
func (r *reloading) write(t *testing.T, changes ...map[string]string) {
	t.Helper()
	all := maps.Clone(r.base)
	for _, change := range changes {
		maps.Copy(all, change)
	}
	sections := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if all[key] == "" {
			continue
		}
		section, name, dotted := strings.Cut(key, ".")
		if !dotted {
			section, name = "", key
		}
		sections[section] = append(sections[section], name+": "+all[key])
	}
	var text strings.Builder
	for section, lines := range sections {
		if section != "" {
			text.WriteString(section + ":\n  ")
		}
		text.WriteString(strings.Join(lines, map[bool]string{true: "\n", false: "\n  "}[section == ""]) + "\n")
	}
	if err := errors.Join(os.WriteFile(r.file+".new", []byte(text.String()), 0o600), os.Rename(r.file+".new", r.file)); err != nil {
		t.Fatal(err)
	}
}

// hangup sends SIGHUP, and returns what the service manager is told when the daemon is done.
func (r *reloading) hangup(t *testing.T) (status string) {
	t.Helper()
	for len(r.told) > 0 {
		<-r.told
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	begun := false
	for timeout := time.After(20 * time.Second); ; {
		select {
		case told := <-r.told:
			if strings.HasPrefix(told, "RELOADING=1\nMONOTONIC_USEC=") {
				begun = true
			}
			if status, ready := strings.CutPrefix(told, "READY=1\nSTATUS="); ready && begun {
				return status
			}
		case <-timeout:
			t.Fatalf("the service manager is not told that the daemon has reloaded:\n%s", r.stderr.String())
		}
	}
}

// change writes the file and has it read.
func (r *reloading) change(t *testing.T, changes ...map[string]string) (status string) {
	t.Helper()
	r.write(t, changes...)
	return r.hangup(t)
}

// shows waits until the lamp says something.
func (r *reloading) shows(t *testing.T, message string) {
	t.Helper()
	eventually(t, "the lamp says "+message, func() bool {
		return strings.Contains(r.ask(t, markd, "GET", "/v1/users/lamp@example.test", "").body, fmt.Sprintf(`"message":%q`, message))
	})
}

// signed makes a token of a moment.
func signed(secret, user string, at time.Time) string {
	text := fmt.Sprintf("%d:%s", at.Unix(), user)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + ":" + strings.ToUpper(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// reply is what a request got.
type reply struct {
	status int
	body   string
	header http.Header
}

// ask sends a request of API v1 on a connection of its own, with a token of the usual secret unless the user is one itself.
func (r *reloading) ask(t *testing.T, user, method, path, body string, header ...string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.url, "/")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(user, ":") {
		user = signed(testSecret, user, time.Now())
	}
	request.Header.Set("Authorization", "Bearer "+user)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return reply{body: err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{body: err.Error()}
	}
	return reply{response.StatusCode, string(text), response.Header}
}

// dial opens a connection, and writes to it.
func (r *reloading) dial(t *testing.T, text string) *rawConn {
	t.Helper()
	at, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	return &rawConn{conn, bufio.NewReader(conn)}
}

// rawConn is a connection.
type rawConn struct {
	net.Conn
	lines *bufio.Reader
}

// answer reads the head of an answer and returns its status, or 0 if the connection ended.
func (c *rawConn) answer() (status int) {
	response, err := http.ReadResponse(c.lines, nil)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0
	}
	return response.StatusCode
}

// until reads lines up to one that has a text.
func (c *rawConn) until(text string) bool {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil || strings.Contains(line, text) {
			return err == nil
		}
	}
}

// end returns when the server has closed the connection.
func (c *rawConn) end() bool {
	_, err := io.Copy(io.Discard, c.lines)
	return err == nil || !os.IsTimeout(err)
}

func get(path, token string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
}

// A faulty file changes nothing and says why: every fault with its line, in the log and, the first one, to the service manager, until a good one is read.
func TestFaultyReload(t *testing.T) {
	r := reloads(t, map[string]string{"protocols": "[lamp]"})
	r.shows(t, "on")
	began := lampBegan.Load()
	if err := os.WriteFile(r.file, []byte("auth:\n  secret: "+otherS+"\n  token_expire: soon\nlog: {level: loud}\nhttp: {listn: x}\nlamp: {message: off}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status := r.hangup(t)
	log := r.stderr.String()
	for _, fault := range []string{":3: auth.token_expire: expected a duration", ":4: log.level: must be debug", ":5: http.listn: unknown key; did you mean http.listen?"} {
		if !strings.Contains(log, `level=ERROR msg="the configuration is faulty: nothing has changed" err="`+r.file+fault) {
			t.Errorf("the log lacks %s:\n%s", fault, log)
		}
	}
	if want := "reload failed: " + r.file; !strings.HasPrefix(status, want) || !strings.Contains(status, "(and 2 more); serving: ") {
		t.Errorf("the status is %q, want %q and so on", status, want)
	}
	if got := r.ask(t, markd, "GET", "/v1/users/lamp@example.test", ""); got.status != 200 || !strings.Contains(got.body, `"message":"on"`) || lampBegan.Load() != began {
		t.Errorf("afterwards: %+v", got)
	}
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	if status := r.hangup(t); !strings.Contains(status, "reload failed: cannot read the configuration: ") {
		t.Errorf("without a file the status is %q", status)
	}
	if status := r.change(t, map[string]string{"lamp.message": `"off"`}); strings.Contains(status, "failed") {
		t.Errorf("with a good file the status is %q", status)
	}
	r.shows(t, "off")
}

// The log is opened again also if the configuration is faulty: logrotate has moved it away.
func TestFaultyReloadReopensTheLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "presence.log")
	r := reloads(t, nil, "--log.level=info")
	r.change(t, map[string]string{"log.file": name})
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	r.change(t, map[string]string{"log.file": name, "http.max_streams": "0"})
	if log, _ := os.ReadFile(name); !strings.Contains(string(log), "http.max_streams: must be at least 1") {
		t.Errorf("the new log has %q", log)
	}
}

// Of several signals in quick succession the last wins, and none is lost.
func TestManyHangups(t *testing.T) {
	r := reloads(t, map[string]string{"protocols": "[lamp]"})
	for i := range 50 {
		r.write(t, map[string]string{"lamp.message": fmt.Sprint("no. ", i)})
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	r.shows(t, "no. 49")
	if log := r.stderr.String(); strings.Contains(log, "faulty") {
		t.Errorf("the log is\n%s", log)
	}
}

// A signal that comes before the configuration was read for the first time does not end the daemon, and is obeyed once it runs.
func TestHangupAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "presence.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	program := start(t, []string{"PRESENCE_CONFIG=" + pipe}, "serve", "--http.listen=127.0.0.1:0")
	eventually(t, "the daemon reads its configuration", func() bool { return hasOpen(program.Process.Pid, pipe) })
	if err := program.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(file, "auth: {secret: "+testSecret+"}\n")
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	stderr := program.Stderr.(*output)
	eventually(t, "the configuration is read anew", func() bool {
		return strings.Contains(stderr.String(), "nothing has changed") && strings.Contains(stderr.String(), "it is a pipe that gives nothing")
	})
	_ = program.Process.Signal(syscall.SIGTERM)
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, stderr.String())
	}
}

// However many signals come from the first line in the log to the end of the process, the daemon starts, and stops in order.
func TestHangupFromStartToEnd(t *testing.T) {
	for range 20 {
		program := start(t, secretEnv, "serve", "--http.listen=127.0.0.1:0")
		stderr := program.Stderr.(*output)
		eventually(t, "the daemon starts", func() bool { return strings.Contains(stderr.String(), "msg=starting") })
		eventually(t, "the daemon serves", func() bool {
			_ = program.Process.Signal(syscall.SIGHUP)
			return strings.Contains(stderr.String(), "msg=started")
		})
		_ = program.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- program.Wait() }()
		for program.Process.Signal(syscall.SIGHUP) == nil { // without a pause: its last moments are short
		}
		if err := <-ended; err != nil || !strings.Contains(stderr.String(), "msg=stopped") {
			t.Fatalf("it ended with %v:\n%s", err, stderr.String())
		}
	}
}

// hasOpen reports whether a process has a file open.
func hasOpen(pid int, name string) bool {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.ContainsFunc(all, func(link string) bool { to, _ := os.Readlink(link); return to == name })
}

// A daemon that loads obeys, too. The service manager is not told that it is ready, for that would be the end of the start.
func TestHangupWhileLoading(t *testing.T) {
	file := write(t, "presence.yaml", "auth: {secret: "+testSecret+"}\n")
	socket, told := manager(t)
	program := start(t, []string{"PRESENCE_CONFIG=" + file, "NOTIFY_SOCKET=" + socket}, "serve", "--http.listen=127.0.0.1:0", "--store.kind=nats", "--store.url=nats://"+silent(t))
	stderr := program.Stderr.(*output)
	eventually(t, "the daemon listens", func() bool { return strings.Contains(stderr.String(), "msg=listening") })
	_, after, _ := strings.Cut(stderr.String(), "url=")
	ask := &reloading{daemon: &daemon{url: strings.Fields(after)[0]}}
	page := []string{"Origin", "https://intranet.example.test"}
	if err := os.WriteFile(file, []byte("auth: {secret: "+testSecret+"}\nhttp: {cors_origins: ["+page[1]+"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := program.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new configuration is in effect", func() bool {
		return ask.ask(t, markd, "GET", "/v1/users/"+markd, "", page...).header.Get("Access-Control-Allow-Origin") == page[1]
	})
	if text := <-told; text != "STATUS=loading: 0 users so far" {
		t.Errorf("the service manager was told %q", text)
	}
	_ = program.Process.Signal(syscall.SIGTERM)
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, stderr.String())
	}
	for len(told) > 0 {
		if text := <-told; strings.Contains(text, "READY") || strings.Contains(text, "RELOADING") {
			t.Errorf("the service manager was told %q", text)
		}
	}
}

// Quickstart and presence.cfg are read anew like any other configuration.
func TestReloadOfOtherSources(t *testing.T) {
	file := write(t, "presence.cfg", "server_bind = 127.0.0.1\nserver_port = 1\nserver_secret_key = "+testSecret+"\nlog_level = 3\n")
	socket, told := manager(t)
	legacy := &daemon{t: t, code: make(chan int, 1)}
	go func() {
		environ := append([]string{"NOTIFY_SOCKET=" + socket}, daemonEnv...)
		legacy.code <- run([]string{"serve", "--config=" + file, "--http.listen=127.0.0.1:0"}, strings.NewReader(""), &legacy.stdout, &legacy.stderr, environ)
	}()
	for text := range told { // it logs too little
		if strings.HasPrefix(text, "READY=1") {
			break
		}
	}
	if err := os.WriteFile(file, []byte("server_bind = 127.0.0.1\nserver_port = 1\nserver_secret_key = "+testSecret+"\nlog_level = 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	quick := serve(t, nil, "--quickstart", dir, "--http.listen=127.0.0.1:0")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(otherS), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both have reloaded", func() bool {
		return strings.Contains(quick.stderr.String(), "the configuration was read anew") && strings.Contains(legacy.stderr.String(), "changed=[log.level]")
	})
	if status, _ := request(t, "GET", quick.url, signed(otherS, markd, time.Now()), `{"user_id":"a@b.c"}`); status != 200 {
		t.Errorf("with the new secret: %d", status)
	}
	for _, d := range []*daemon{quick, legacy} {
		if log := d.stderr.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, otherS) {
			t.Errorf("the log is\n%s", log)
		}
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // both
	if code := <-legacy.code; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	if code := <-quick.code; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	quick.code = nil
}

// The service manager is told while nothing can be written, and how the sources are doing.
func TestStatusOfAFullDisk(t *testing.T) {
	disk := smalldisk.Mount(t, "32m")
	r := reloads(t, map[string]string{"protocols": "[lamp]", "store.kind": "bolt", "store.dir": filepath.Join(disk, "store")})
	becomes := func(want string) {
		t.Helper()
		for timeout := time.After(20 * time.Second); ; {
			select {
			case told := <-r.told:
				if strings.HasSuffix(told, want) {
					return
				}
			case <-timeout:
				t.Fatalf("the service manager is not told %q", want)
			}
		}
	}
	becomes("serving: 1 users; lamp synced (1 users)")
	fill(t, disk, 0)
	put := func(message string) int {
		return r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"busy","message":"`+message+`"}`).status
	}
	eventually(t, "an update is refused", func() bool { return put(strings.Repeat("x", 4000)) == http.StatusServiceUnavailable })
	becomes("; lamp synced (1 users); presences cannot be written")
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an update is taken", func() bool { return put("again") == http.StatusNoContent })
	becomes("serving: 2 users; lamp synced (1 users)")
}
