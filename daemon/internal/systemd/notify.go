// Package systemd tells the service manager how the daemon is doing: sd_notify(3), with one datagram for each message to the socket that
// NOTIFY_SOCKET names. Without one nothing is told. Package command calls it.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager. Failing to tell it something is logged, once until it succeeds again, and is no reason not to serve. Not for
// concurrent use.
type Manager struct {
	socket   string // empty: nobody wants to know
	watchdog time.Duration
	log      *slog.Logger

	status  string // that was told last
	failing bool
}

// New returns the service manager that the environment names.
func New(environment map[string]string, log *slog.Logger) *Manager {
	return &Manager{socket: environment["NOTIFY_SOCKET"], watchdog: watchdogOf(environment), log: log}
}

// watchdogOf returns how long the service manager waits for a sign of life of this process; zero: it does not.
func watchdogOf(environment map[string]string) time.Duration {
	if pid := environment["WATCHDOG_PID"]; pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	microseconds, err := strconv.ParseInt(environment["WATCHDOG_USEC"], 10, 64)
	if err != nil || microseconds <= 0 || environment["NOTIFY_SOCKET"] == "" {
		return 0
	}
	return time.Duration(microseconds) * time.Microsecond
}

// AliveEvery is how often Alive is to be called, half of the time that the service manager waits for it: zero if it need not be.
func (m *Manager) AliveEvery() time.Duration { return m.watchdog / 2 }

// Alive gives a sign of life.
func (m *Manager) Alive() { m.tell("WATCHDOG=1") }

// Ready says that requests are served, or that a reload has ended, with a status.
func (m *Manager) Ready(status string) {
	m.status = oneLine(status)
	m.tell("READY=1", "STATUS="+m.status)
}

// Reloading says that the configuration is read anew. Ready has to follow.
func (m *Manager) Reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		m.log.Warn("there is no monotonic clock", "err", err)
	}
	m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
}

// Stopping says that the daemon ends.
func (m *Manager) Stopping() {
	m.status = "stopping"
	m.tell("STOPPING=1", "STATUS="+m.status)
}

// Status says in a line how the daemon is doing, which systemctl status shows. It does nothing if that was said last.
func (m *Manager) Status(status string) {
	if status = oneLine(status); status != m.status {
		m.status = status
		m.tell("STATUS=" + status)
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (m *Manager) tell(assignments ...string) {
	if m.socket == "" {
		return
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "unixgram", m.socket) // a name that begins with @ is an abstract one
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(tellWithin))
		_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
		_ = conn.Close() // a datagram has been sent or not
	}
	if err != nil && !m.failing {
		m.log.Warn("cannot notify the service manager", "err", err)
	}
	m.failing = err != nil
}

// tellWithin is how long a service manager that is busy is waited for.
const tellWithin = time.Second
