// Package process runs server programs for tests and for the demo. Each is a process group that does not outlive this process. The packages
// xmpptest and natstest and the demo call it.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a running program with its children. Its methods may be called concurrently, also after it has ended.
type Process struct {
	command *exec.Cmd
	log     string
	done    chan struct{}
}

// Start starts a program whose output is appended to a log file. The caller has to end it and to wait until Done is closed. If this process
// is killed, the kernel kills the program.
func Start(command *exec.Cmd, log string) (*Process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{command: command, log: log, done: make(chan struct{})}
	go func() {
		_ = command.Wait() // the log has its errors
		close(p.done)
	}()
	return p, nil
}

// Await polls until ready returns nil. It returns an error if the program ends before, or is not ready within the given time.
func (p *Process) Await(within time.Duration, ready func() error) error {
	for deadline := time.Now().Add(within); ; {
		err := ready()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("is not ready within %v: %w", within, err)
		}
		select {
		case <-p.done:
			return errors.New("ended during its start")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Done returns a channel that is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns the program's output, or why it cannot be read.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Signal sends a signal to the program and its children.
func (p *Process) Signal(signal syscall.Signal) {
	_ = syscall.Kill(-p.command.Process.Pid, signal)
}

// EndsWithin waits for the program to end, and reports whether it does so within the given time.
func (p *Process) EndsWithin(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// Kill kills the program and its children, and returns when the program has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Freeze stops the program and its children, and returns when all threads of the program have stopped or it has ended. The program goes first:
// it cannot stop while it waits in vfork for a child, and a stopped child would keep it there.
func (p *Process) Freeze() {
	pid := p.command.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.Signal(syscall.SIGSTOP)
}

// Thaw undoes Freeze.
func (p *Process) Thaw() { p.Signal(syscall.SIGCONT) }

// Account returns a system account to run a program as. Only root can use it.
func Account(name string) (*syscall.Credential, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
