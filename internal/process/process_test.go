package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/internal/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a shell that counts in its log, and has a child that does the same.
func start(t *testing.T) (running *process.Process, size func() int64) {
	log := filepath.Join(t.TempDir(), "log")
	count := "while true; do echo x; sleep 0.01; done"
	running, err := process.Start(exec.Command("/bin/sh", "-c", "("+count+") & "+count), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	size = func() int64 {
		info, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	grows(t, size)
	return running, size
}

func grows(t *testing.T, size func() int64) {
	t.Helper()
	first := size()
	for deadline := time.Now().Add(10 * time.Second); size() == first; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program does not run")
		}
	}
}

// stands waits until the log does not grow for a while: a child may write once more.
func stands(t *testing.T, size func() int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		first := size()
		time.Sleep(200 * time.Millisecond)
		if size() == first {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the program still runs")
		}
	}
}

// TestKill: Kill ends the program and its child.
func TestKill(t *testing.T) {
	running, size := start(t)
	running.Kill()
	select {
	case <-running.Done():
	default:
		t.Error("Done is not closed")
	}
	stands(t, size)
	running.Kill() // again, as in a cleanup
}

// TestFreeze: a frozen program does nothing until SIGCONT, and can be frozen again.
func TestFreeze(t *testing.T) {
	running, size := start(t)
	for range 2 {
		running.Freeze()
		stands(t, size)
		running.Signal(syscall.SIGCONT)
		grows(t, size)
	}
	running.Freeze()
	running.Kill()
}

// TestFreezeInVfork: a program that all the time starts children, and so mostly waits in vfork, can be frozen.
func TestFreezeInVfork(t *testing.T) {
	running, err := process.Start(exec.Command("/bin/sh", "-c", "while true; do /bin/true; done"), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	for range 100 {
		frozen := make(chan struct{})
		go func() {
			defer close(frozen)
			running.Freeze()
		}()
		select {
		case <-frozen:
		case <-time.After(10 * time.Second):
			running.Kill() // ends Freeze, too
			<-frozen
			t.Fatal("Freeze waits for ever")
		}
		running.Thaw()
	}
}

// TestStartFails: a program that cannot be started is an error that names it.
func TestStartFails(t *testing.T) {
	if _, err := process.Start(exec.Command("/nowhere/server"), filepath.Join(t.TempDir(), "log")); err == nil || !strings.Contains(err.Error(), "/nowhere/server") {
		t.Errorf("Start = %v", err)
	}
}

// TestAccount: an account is found by its name, and an unknown one is an error that names it.
func TestAccount(t *testing.T) {
	if account, err := process.Account("root"); err != nil || account.Uid != 0 || account.Gid != 0 {
		t.Errorf("root: %+v, %v", account, err)
	}
	if _, err := process.Account("no-such-account"); err == nil || !strings.Contains(err.Error(), "no-such-account") {
		t.Errorf("Account = %v", err)
	}
}
