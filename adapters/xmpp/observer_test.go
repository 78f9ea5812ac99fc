package xmpp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// recording is an observer that keeps what it is told, as the use cases would.
type recording struct {
	mu        sync.Mutex
	connected int
	synced    int
	reports   int
	devices   map[domain.UserID]map[string]shown // every user that is known
	forgotten []domain.UserID
	full      bool  // neither users nor devices are taken
	left      []int // what Unconfirmed returns, one after the other, and then nobody
}

var _ ports.Observer = (*recording)(nil)

// shown is what a device shows, and since which report.
type shown struct {
	status  domain.Status
	message string
	at      int
}

func newRecording() *recording { return &recording{devices: make(map[domain.UserID]map[string]shown)} }

func (r *recording) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected++
}

func (r *recording) Known(user domain.UserID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.devices[user] == nil && !r.full {
		r.devices[user] = make(map[string]shown)
	}
	return r.devices[user] != nil
}

func (r *recording) Report(report domain.Report) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports++
	devices := maps.Clone(r.devices[report.User])
	if _, there := devices[report.Device]; r.full && !there && report.Status != domain.Unavailable || r.full && devices == nil {
		return false
	}
	if devices == nil {
		devices = make(map[string]shown)
	}
	if report.Status != domain.Unavailable {
		devices[report.Device] = shown{status: report.Status, message: domain.ClipMessage(report.Message), at: r.reports}
	} else {
		maps.DeleteFunc(devices, func(name string, _ shown) bool {
			return name == report.Device || report.Device == "" || report.Prefix && strings.HasPrefix(name, report.Device)
		})
	}
	r.devices[report.User] = devices
	return true
}

func (r *recording) Forget(user domain.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.devices, user)
	r.forgotten = append(r.forgotten, user)
}

func (r *recording) AsOf(domain.Timestamp, error) {}

func (r *recording) Unconfirmed() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) > 0 {
		n, r.left = r.left[0], r.left[1:]
	}
	return n
}

func (r *recording) Synced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.synced++
}

// calledSynced returns how often Synced was called.
func (r *recording) calledSynced() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.synced
}

// show returns a user's state in words: "unknown", or status and message.
func (r *recording) show(user string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	devices, known := r.devices[domain.UserID(user)]
	if !known {
		return "unknown"
	}
	var best shown
	for _, device := range devices {
		if device.status > best.status || device.status == best.status && device.at > best.at {
			best = device
		}
	}
	return strings.TrimSpace(best.status.String() + " " + best.message)
}

// want waits until a user's state is as given.
func (r *recording) want(t *testing.T, user, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := r.show(user); got != want {
			return fmt.Errorf("%s is %q, want %q", user, got, want)
		}
		return nil
	})
}

// wantSynced waits until the source has said that everyone was reported.
func (r *recording) wantSynced(t *testing.T) {
	t.Helper()
	eventually(t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.connected != 1 || r.synced != 1 {
			return fmt.Errorf("connected %d times, synced %d times, want once each", r.connected, r.synced)
		}
		return nil
	})
}

// users lists the users that the observer knows.
func (r *recording) users() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(slices.Sorted(maps.Keys(r.devices)))
}

// running is a Run in progress.
type running struct {
	*recording
	cancel context.CancelFunc
	done   chan error
}

// begin runs a source until the test ends or calls stop.
func begin(t *testing.T, source *Source) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{recording: newRecording(), cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- source.Run(ctx, r) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends Run, which must take less than a second. It may be called again.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(time.Second):
		t.Error("Run does not return within a second")
		r.done <- <-r.done
	}
}

// ends waits for Run to return by itself, and returns why.
func (r *running) ends(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want a reason", err)
		}
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("Run does not return")
		return nil
	}
}
