package command

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// listenerConfig is a configuration whose daemon listens somewhere.
func listenerConfig(t *testing.T, listener string) (file string) {
	t.Helper()
	return write(t, "zarafa-presence.yaml", fmt.Sprintf("http: {%s}\nauth: {secret: %s, services: [intranet@example.test]}\n", listener, testSecret))
}

// useEverything has each command that asks a daemon do so.
func useEverything(t *testing.T, arguments ...string) {
	t.Helper()
	do := func(want string, args ...string) {
		t.Helper()
		got := command(noConfig, append(args, arguments...)...)
		if got.code != 0 || !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, got, want)
		}
	}
	do("busy", "set", markd, "busy", "over there")
	do("over there", "get", markd)
	exported := filepath.Join(t.TempDir(), "presences.jsonl")
	do("1 presence exported from", "export", exported)
	do("", "import", exported)
	do("unavailable", "clear", markd)

	var out output
	watching := exec.Command(os.Args[0], append([]string{"watch", markd}, arguments...)...)
	watching.Env, watching.Stdout, watching.Stderr = append(noConfig, asProgram), &out, &out
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "watch shows something", func() bool { return strings.Contains(out.String(), markd) })
	do("away", "set", markd, "away", "seen by watch")
	eventually(t, "watch shows the change", func() bool { return strings.Contains(out.String(), "seen by watch") })
	_ = watching.Process.Signal(syscall.SIGTERM)
	if err := watching.Wait(); err != nil {
		t.Errorf("watch: %v\n%s", err, out.String())
	}
}

func TestCommandsOverTLS(t *testing.T) {
	authority := certtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "presence.example.test") // no address
	certFile, keyFile := certtest.Write(t, t.TempDir(), certificate, key)
	address := freeport.Address(t)
	file := listenerConfig(t, "listen: \""+address+"\", tls_cert_file: "+certFile+", tls_key_file: "+keyFile)
	d := serve(t, nil, "--config", file)
	if d.url != "https://"+address+"/" {
		t.Errorf("it listens on %s", d.url)
	}
	useEverything(t, "--config", file)

	roots := write(t, "ca.pem", string(authority.PEM))
	for url, want := range map[string]result{
		"http://" + address + "/":  {code: 2, stderr: "http://" + address + "/ speaks TLS: write https://" + address + "/\n"},
		"https://" + address + "/": {code: 4, stderr: "the certificate of https://" + address + "/ is not accepted: x509: "},
	} {
		got := command(noConfig, "get", "--config", file, "--url", url, markd)
		if got.code != want.code || !strings.Contains(got.stderr, want.stderr) {
			t.Errorf("%s: %+v, want %+v", url, got, want)
		}
	}
	for option, want := range map[string]string{
		"--cacert=" + keyFile:     "--cacert: " + keyFile + ": it has no PEM certificate",
		"--cert=" + certFile:      "--cert and --key need each other",
		"--cacert=/missing/there": "--cacert: open /missing/there: no such file or directory",
	} {
		if got := command(noConfig, "get", "--config", file, option, markd); got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want %q", option, got, want)
		}
	}
	if got := command(noConfig, "get", "--config", file, "--cacert", roots, markd); got.code != 0 {
		t.Errorf("with the authority's certificate: %+v", got)
	}
	if err := os.Remove(keyFile); err != nil { // which only the daemon's user can read, perhaps
		t.Fatal(err)
	}
	if got := command(noConfig, "get", "--config", file, markd); got.code != 0 {
		t.Errorf("without the key: %+v", got)
	}
}

func TestCommandsShowACertificate(t *testing.T) {
	authority := certtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "presence.example.test")
	certFile, keyFile := certtest.Write(t, t.TempDir(), certificate, key)
	mine, myKey := authority.IssueClient(t, "admin")
	myFile, myKeyFile := certtest.Write(t, t.TempDir(), mine, myKey)
	address := freeport.Address(t)
	file := listenerConfig(t, fmt.Sprintf("listen: %q, tls_cert_file: %s, tls_key_file: %s, tls_client_ca_file: %s", address, certFile, keyFile,
		write(t, "clients.pem", string(authority.PEM))))
	serve(t, nil, "--config", file)
	if got := command(noConfig, "get", "--config", file, markd); got.code != 2 || !strings.Contains(got.stderr, "demands a certificate: use --cert and --key") {
		t.Errorf("without one: %+v", got)
	}
	if got := command(noConfig, "get", "--config", file, "--cert", myFile, "--key", myKeyFile, markd); got.code != 0 {
		t.Errorf("with one: %+v", got)
	}
}

// The files of TLS are checked like the rest, with line and key.
func TestCheckReadsTheCertificate(t *testing.T) {
	file := listenerConfig(t, "tls_cert_file: /missing/cert.pem, tls_key_file: /missing/key.pem")
	got := command(noConfig, "check", "--config", file)
	for _, want := range []string{"zarafa-presence.yaml:1: http.tls_cert_file: open /missing/cert.pem: no such file or directory\n", "http.tls_key_file: open /missing/key.pem: "} {
		if got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

// Who may not connect to a socket is not asked whether the daemon runs.
func TestForbiddenSocket(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}
	got := (&client{url: "unix:/run/zarafa-presence/http.sock"}).unreachable(refused).Error()
	if want := "permission denied; the owner and the mode of the socket say who may connect"; !strings.HasSuffix(got, want) {
		t.Errorf("%q, want %q at its end", got, want)
	}
}

func TestCommandsOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	file := listenerConfig(t, "listen: \"unix:"+path+"\"")
	got := command(noConfig, "get", "--config", file, markd)
	if want := "zarafa-presence: cannot reach the daemon at unix:" + path + ": no such file or directory; is it running?\n"; got.code != 4 || got.stderr != want {
		t.Errorf("without a daemon: %+v, want %q", got, want)
	}
	store := filepath.Join(t.TempDir(), "store")
	empty := command(append(noConfig, "PRESENCE_STORE__DIR="+store), "import", "--config", file, write(t, "none.jsonl", ""))
	if empty.code != 0 { // it opens the store
		t.Errorf("import without a daemon: %+v", empty)
	}
	d := serve(t, nil, "--config", file)
	useEverything(t, "--config", file)
	useEverything(t, "--config", file, "--url", "unix:"+path)
	if got := command(noConfig, "get", "--config", file, "--url", "unix:http.sock", markd); got.code != 2 || !strings.Contains(got.stderr, "not an address of a daemon") {
		t.Errorf("a relative path: %+v", got)
	}
	if code := d.terminate(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What --quickstart prints can be pasted, wherever the daemon listens.
func TestQuickstartListeners(t *testing.T) {
	authority := certtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "presence.example.test")
	certFile, keyFile := certtest.Write(t, t.TempDir(), append(certificate, authority.PEM...), key)
	for name, args := range map[string][]string{
		"a Unix socket": {"--http.listen=unix:" + filepath.Join(t.TempDir(), "http.sock")},
		"TLS":           {"--http.listen=127.0.0.1:0", "--http.tls_cert_file=" + certFile, "--http.tls_key_file=" + keyFile},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, nil, append(args, "--quickstart", filepath.Join(t.TempDir(), "run"))...)
			eventually(t, "the commands are printed", func() bool { return strings.Contains(d.stdout.String(), "Ctrl-C") })
			answers := 0
			for line := range strings.Lines(d.stdout.String()) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
					out, err := exec.Command("sh", "-c", strings.Replace(line, "curl ", "curl -sS --fail ", 1)).CombinedOutput()
					if err != nil {
						t.Fatalf("%s\n%v: %s", line, err, out)
					}
					answers++
				}
			}
			if board := strings.Contains(d.stdout.String(), "board#code="); answers != 2 || board != (name == "TLS") {
				t.Errorf("%d answers, a board: %t\n%s", answers, board, d.stdout.String())
			}
			d.terminate(syscall.SIGTERM)
		})
	}
}

// TestSocketActivation has systemd's own tool open the sockets: a port and a Unix socket. A client that comes before the daemon is there waits for it.
func TestSocketActivation(t *testing.T) {
	address, path := freeport.Address(t), filepath.Join(t.TempDir(), "http.sock")
	file := listenerConfig(t, "listen: 127.0.0.1:1") // which nobody could open here but root
	run := exec.Command("systemd-socket-activate", "-l", address, "-l", path, "--fdname=http:other",
		"-E", asProgram, "-E", noConfig[0], "-E", "PRESENCE_STORE__KIND=memory", os.Args[0], "serve", "--config", file)
	daemon, err := process.Start(run, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Kill()
	if err := daemon.Await(10*time.Second, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://" + address, "unix:" + path} {
		eventually(t, "it answers at "+url, func() bool {
			return command(noConfig, "get", "--config", file, "--url", url, markd).code == 0
		})
	}
	useEverything(t, "--config", file, "--url", "http://"+address)
	if answer, err := http.Get("http://127.0.0.1:1/"); err == nil {
		_ = answer.Body.Close()
		t.Error("it listens on http.listen as well")
	}
	daemon.Signal(syscall.SIGTERM)
	if !daemon.EndsWithin(3 * time.Second) {
		t.Error("it does not end")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}

// TestSocketsThatCannotBeUsed: a datagram socket, and one that is for what is not there.
func TestSocketsThatCannotBeUsed(t *testing.T) {
	for want, arguments := range map[string][]string{
		"http.listen: socket 1 of those that systemd has passed, http, cannot be listened on": {"--datagram", "--fdname=http"},
		"http.listen: systemd has passed a socket with FileDescriptorName=admin":              {"--fdname=admin"},
	} {
		address := freeport.Address(t)
		run := exec.Command("systemd-socket-activate", append(append([]string{"-l", address}, arguments...),
			"-E", asProgram, "-E", noConfig[0], "-E", "PRESENCE_STORE__KIND=memory", "-E", "PRESENCE_AUTH__SECRET="+testSecret, os.Args[0], "serve")...)
		daemon, err := process.Start(run, filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer daemon.Kill()
		network := "tcp"
		if arguments[0] == "--datagram" {
			network = "udp"
		}
		eventually(t, "it says "+want, func() bool {
			if conn, err := net.Dial(network, address); err == nil {
				_, _ = conn.Write([]byte("x"))
				_ = conn.Close()
			}
			return strings.Contains(daemon.Log(), want)
		})
	}
}
