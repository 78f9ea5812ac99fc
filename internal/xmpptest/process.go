package xmpptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running server program with its children, which form a process group.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when the program has ended
}

// credential returns the system account of a server. The test must run as root to start the server as that account.
func credential(t TB, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("run this test as root: the server must run as the system user %q, which only root can become", name)
	}
	account, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v: the server is not installed; `make test` installs it (scripts/install-test-packages)", err)
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// require fails the test if a program is not installed.
func require(t TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: the server is not installed; `make test` installs it (scripts/install-test-packages)", err)
	}
}

// launch starts a program with a log file. The caller has to end it; if this process is killed the kernel kills the program too.
func launch(t TB, command *exec.Cmd, log string) *process {
	t.Helper()
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr.Setpgid = true
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{command: command, done: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.done)
	}()
	return p
}

// signal sends a signal to the program and its children.
func (p *process) signal(signal syscall.Signal) {
	_ = syscall.Kill(-p.command.Process.Pid, signal)
}

// kill kills the program and returns when it has ended.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// run runs a program to its end and returns its output.
func run(t TB, command *exec.Cmd) string {
	t.Helper()
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command.Args, " "), err, output)
	}
	return string(output)
}

// Eventually polls until check returns nil. After 20 seconds it fails the test with check's last error.
func Eventually(t TB, check func() error) {
	t.Helper()
	if err := poll(20*time.Second, check); err != nil {
		t.Fatal(err)
	}
}

func poll(within time.Duration, check func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", within, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// answers returns nil if an XMPP server opens a stream on an address.
func answers(address, domain string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", domain)
	buffer := make([]byte, 4096)
	var all strings.Builder
	for {
		n, err := conn.Read(buffer)
		all.Write(buffer[:n])
		if strings.Contains(all.String(), "features>") {
			return nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("no stream features: %w: %q", err, all.String())
		}
	}
}
