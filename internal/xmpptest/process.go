package xmpptest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/zarafa/presence/internal/process"
)

const notInstalled = "%v: the server is not installed; `make test` installs it (scripts/install-test-packages)"

// credential returns the system account of a server. The test must run as root to start the server as that account.
func credential(t TB, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("run this test as root: the server must run as the system user %q, which only root can become", name)
	}
	account, err := process.Account(name)
	if err != nil {
		t.Fatalf(notInstalled, err)
	}
	return account
}

// require fails the test if a program is not installed.
func require(t TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf(notInstalled, err)
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

// Eventually polls until check returns nil. After 20 seconds it fails the test with check's last error.
func Eventually(t TB, check func() error) {
	t.Helper()
	if err := poll(20*time.Second, check); err != nil {
		t.Fatal(err)
	}
}

func poll(within time.Duration, check func() error) error {
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", within, err)
		}
	}
}
