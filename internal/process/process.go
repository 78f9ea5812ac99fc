// Package process runs server programs for tests and for the demo. Each is a process group that does not outlive this process. The packages
// xmpptest and natstest and the demo call it.
package process

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a running program with its children. Its methods may be called concurrently, also after it has ended.
type Process struct {
	command *exec.Cmd
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
	p := &Process{command: command, done: make(chan struct{})}
	go func() {
		_ = command.Wait() // its errors are in the log
		close(p.done)
	}()
	return p, nil
}

// Done returns a channel that is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the program and its children.
func (p *Process) Signal(signal syscall.Signal) {
	_ = syscall.Kill(-p.command.Process.Pid, signal)
}

// Kill kills the program and its children, and returns when the program has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Freeze stops the program, and returns when all its threads have stopped or it has ended. SIGCONT continues it.
func (p *Process) Freeze() {
	p.Signal(syscall.SIGSTOP)
	for unix.Waitid(unix.P_PID, p.command.Process.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

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
