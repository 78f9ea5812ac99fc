package systemd_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/daemon/internal/systemd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen makes a service manager's socket, and returns what reads one datagram from it.
func listen(t *testing.T, name string) (read func() string) {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return func() string {
		buf := make([]byte, 4096)
		_ = socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ := socket.Read(buf)
		return string(buf[:n])
	}
}

func TestMessages(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@zarafa-presence-test-" + strconv.Itoa(os.Getpid())} {
		read := listen(t, name)
		m := systemd.New(map[string]string{"NOTIFY_SOCKET": name}, slog.New(slog.DiscardHandler))
		check := func(want string) {
			t.Helper()
			if got := read(); got != want {
				t.Errorf("%s: told %q, want %q", name, got, want)
			}
		}
		m.Status("loading: 1 users\nso far")
		check("STATUS=loading: 1 users so far")
		m.Status("loading: 1 users so far")
		check("") // it was told so
		m.Ready("serving")
		check("READY=1\nSTATUS=serving")
		m.Status("serving")
		check("")
		m.Alive()
		check("WATCHDOG=1")
		m.Reloading()
		at, found := strings.CutPrefix(read(), "RELOADING=1\nMONOTONIC_USEC=")
		if microseconds, err := strconv.ParseInt(at, 10, 64); !found || err != nil || microseconds <= 0 {
			t.Errorf("reloading at %q", at)
		}
		m.Stopping()
		check("STOPPING=1\nSTATUS=stopping")
	}
}

func TestWatchdog(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		microseconds, pid, socket string
		want                      time.Duration
	}{
		{"30000000", own, "/x", 15 * time.Second},
		{"30000000", "", "/x", 15 * time.Second},
		{"30000000", "1", "/x", 0},
		{"30000000", own, "", 0},
		{"", own, "/x", 0},
		{"x", own, "/x", 0},
		{"-1", own, "/x", 0},
	} {
		m := systemd.New(map[string]string{"WATCHDOG_USEC": test.microseconds, "WATCHDOG_PID": test.pid, "NOTIFY_SOCKET": test.socket}, nil)
		if got := m.AliveEvery(); got != test.want {
			t.Errorf("%+v: every %v", test, got)
		}
	}
}

// Nobody who wants to know is no fault, and one who cannot be told is logged once until it can.
func TestNobodyListens(t *testing.T) {
	var log bytes.Buffer
	systemd.New(nil, slog.New(slog.NewTextHandler(&log, nil))).Ready("serving")
	if log.Len() > 0 {
		t.Errorf("without a socket: %s", &log)
	}
	name := filepath.Join(t.TempDir(), "notify")
	m := systemd.New(map[string]string{"NOTIFY_SOCKET": name}, slog.New(slog.NewTextHandler(&log, nil)))
	m.Alive()
	m.Alive()
	read := listen(t, name)
	m.Alive()
	if got := read(); got != "WATCHDOG=1" {
		t.Errorf("told %q", got)
	}
	if n := strings.Count(log.String(), "cannot notify the service manager"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, &log)
	}
}
