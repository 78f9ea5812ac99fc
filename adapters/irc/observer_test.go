package irc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// observer keeps what a source reports.
type observer struct {
	mu      sync.Mutex
	known   map[domain.UserID]domain.Devices
	history map[domain.UserID][]string // what the users showed, without repetitions
	synced  bool
	most    int           // users that there is room for; 0: no limit
	ended   chan struct{} // closed when Run has returned
	err     error         // what it has returned
}

func newObserver() *observer {
	return &observer{known: map[domain.UserID]domain.Devices{}, history: map[domain.UserID][]string{}, ended: make(chan struct{})}
}

// observe runs a source until the test ends.
func observe(t testing.TB, source *Source) *observer {
	t.Helper()
	o := newObserver()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(o.ended)
		o.err = source.Run(ctx, o)
	}()
	t.Cleanup(func() { cancel(); <-o.ended })
	return o
}

// want waits until a user is as given: "unknown", or status and message.
func (o *observer) want(t testing.TB, user domain.UserID, want string) {
	t.Helper()
	eventually(t, func() error {
		select {
		case <-o.ended:
			t.Fatalf("Run ended: %v", o.err)
		default:
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if got := o.shown(user); got != want {
			return fmt.Errorf("%s is %q, want %q", user, got, want)
		}
		return nil
	})
}

func (o *observer) shown(user domain.UserID) string {
	devices, known := o.known[user]
	if !known {
		return "unknown"
	}
	merged, _ := devices.Merge()
	if merged.Message == "" {
		return merged.Status.String()
	}
	return merged.Status.String() + " " + merged.Message
}

func (o *observer) wantSynced(t testing.TB) {
	t.Helper()
	eventually(t, func() error {
		select {
		case <-o.ended:
			t.Fatalf("Run ended: %v", o.err)
		default:
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.synced {
			return errors.New("Synced was not called")
		}
		return nil
	})
}

// end waits for the end of Run, and returns its error.
func (o *observer) end(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case <-o.ended:
	case <-time.After(within):
		t.Fatalf("Run has not ended after %v", within)
	}
	return o.err
}

// shownSoFar returns what a user has shown.
func (o *observer) shownSoFar(user domain.UserID) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history[user]
}

func (o *observer) Connected() {}

func (o *observer) Known(user domain.UserID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.known[user]; !known {
		if o.most > 0 && len(o.known) == o.most {
			return false
		}
		o.known[user] = domain.Devices{}
	}
	return true
}

func (o *observer) Report(r domain.Report) bool {
	if !o.Known(r.User) {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	devices := o.known[r.User]
	if r.Status == domain.Unavailable {
		devices.Remove(r.Device, r.Device == "")
	} else {
		devices.Set(domain.Device{Name: r.Device, Status: r.Status, Message: r.Message}, 10)
	}
	o.known[r.User] = devices
	if past, now := o.history[r.User], o.shown(r.User); len(past) == 0 || past[len(past)-1] != now {
		o.history[r.User] = append(past, now)
	}
	return true
}

func (o *observer) Forget(user domain.UserID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known, user)
}

func (o *observer) Unconfirmed() int { return 0 }

func (o *observer) AsOf(domain.Timestamp, error) {}

func (o *observer) Synced() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.synced = true
}
