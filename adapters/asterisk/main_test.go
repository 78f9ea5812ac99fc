package asterisk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/syncbuffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a Run in progress and its observer, which keeps what it is told as the daemon does.
type watched struct {
	cancel func()
	done   chan struct{}
	err    error // what Run has returned

	mu      sync.Mutex
	devices map[domain.UserID]domain.Devices
	known   map[domain.UserID]bool
	calls   map[string]int
	full    bool // there is no room for a new user
}

// watch runs a source until the test ends.
func watch(t testing.TB, source *Source) *watched {
	t.Helper()
	return watchInto(t, source, &watched{})
}

func watchInto(t testing.TB, source *Source, w *watched) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	w.devices, w.known, w.calls = map[domain.UserID]domain.Devices{}, map[domain.UserID]bool{}, map[string]int{}
	go func() {
		defer close(w.done)
		w.err = source.Run(ctx, w)
	}()
	t.Cleanup(func() {
		cancel()
		<-w.done
	})
	return w
}

// synced waits for Synced.
func (w *watched) synced(t testing.TB) *watched {
	t.Helper()
	w.eventually(t, func() error {
		if w.count("Synced") == 0 {
			return errors.New("Synced was not called")
		}
		return nil
	})
	return w
}

// lost waits for Run to end.
func (w *watched) lost(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case <-w.done:
		return w.err
	case <-time.After(within):
		t.Fatalf("Run has not returned after %v", within)
		return nil
	}
}

func (w *watched) count(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[call]
}

// shows returns what a user shows: "unknown", "-" for nothing, or status, activity and message.
func (w *watched) shows(user domain.UserID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	devices := w.devices[user]
	shown, _ := devices.Merge()
	switch {
	case !w.known[user]:
		return "unknown"
	case devices.None():
		return "-"
	}
	return strings.Join(strings.FieldsFunc(fmt.Sprintf("%v\x00%v\x00%s", shown.Status, shown.Activity, shown.Message), func(r rune) bool { return r == 0 }), " ")
}

// want waits until a user shows something.
func (w *watched) want(t testing.TB, user domain.UserID, want string) {
	t.Helper()
	w.eventually(t, func() error {
		if got := w.shows(user); got != want {
			return fmt.Errorf("%s is %q, want %q", user, got, want)
		}
		return nil
	})
}

// eventually waits until check returns nil, for as long as Run goes on.
func (w *watched) eventually(t testing.TB, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-w.done:
			t.Fatalf("%v, and Run has returned %v", err, w.err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (w *watched) tell(call string, take func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[call]++
	take()
	return true
}

func (w *watched) Connected()       { w.tell("Connected", func() {}) }
func (w *watched) Synced()          { w.tell("Synced", func() {}) }
func (w *watched) Unconfirmed() int { return 0 }

func (w *watched) AsOf(domain.Timestamp, error) {}

func (w *watched) Known(user domain.UserID) (kept bool) {
	w.tell("Known", func() {
		if kept = !w.full || w.known[user]; kept {
			w.known[user] = true
		}
	})
	return kept
}

func (w *watched) Report(r domain.Report) bool {
	return w.tell("Report", func() {
		w.known[r.User] = true
		devices := w.devices[r.User]
		if r.Status == domain.Unavailable {
			devices.Remove(r.Device, r.Prefix || r.Device == "")
		} else {
			devices.Set(domain.Device{Name: r.Device, Status: r.Status, Message: domain.ClipMessage(r.Message), Activity: r.Activity}, 32)
		}
		w.devices[r.User] = devices
	})
}

func (w *watched) Forget(user domain.UserID) {
	w.tell("Forget", func() {
		delete(w.devices, user)
		delete(w.known, user)
	})
}

// logged is a log that is read while it is written.
type logged struct{ syncbuffer.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
