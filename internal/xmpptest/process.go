package xmpptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/zarafa/presence/internal/process"
)

// credential returns the system account of a server. The test must run as root to start the server as that account.
func credential(t TB, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("run this test as root: the server must run as the system user %q, which only root can become", name)
	}
	account, err := process.Account(name)
	if err != nil {
		t.Fatalf("%v: the server is not installed; `make test` installs it (scripts/install-test-packages)", err)
	}
	return account
}

// require fails the test if a program is not installed.
func require(t TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: the server is not installed; `make test` installs it (scripts/install-test-packages)", err)
	}
}

// launch starts a program. The caller has to end it.
func launch(t TB, command *exec.Cmd, log string) *process.Process {
	t.Helper()
	running, err := process.Start(command, log)
	if err != nil {
		t.Fatal(err)
	}
	return running
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
