package portstest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// record is what a suite was told by the adapter that it tests, and what that should not have told.
type record struct {
	mu       sync.Mutex
	finished bool // who tells has returned
	faults   []string
	news     chan struct{} // closed and replaced with every call
}

// note takes one call.
func (r *record) note(call string, take func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		r.fault("%s was called after the end", call)
	}
	take()
	close(r.news)
	r.news = make(chan struct{})
}

func (r *record) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// verify fails the test if the contract was broken.
func (r *record) verify(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fault := range r.faults {
		t.Error(fault)
	}
	r.faults = nil
}

// running is a call that goes on until its context ends: Run of a source, Follow of a journal.
type running struct {
	*record
	name   string
	label  string // of the goroutines that the call starts, and of theirs
	wait   time.Duration
	cancel func()
	done   chan error
}

// labelKey is the name of the label; labels makes their values.
const labelKey = "portstest"

var labels atomic.Int64

// begin begins the call. When the test ends, so does its context.
func begin(ctx context.Context, t testing.TB, name string, wait time.Duration, told *record, call func(context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	r := &running{record: told, name: name, label: fmt.Sprintf("run %d", labels.Add(1)), wait: wait, done: make(chan error, 1)}
	r.news = make(chan struct{})
	r.cancel = func() { r.labelled(cancel) } // what ends by the context may start a goroutine
	gone := make(chan struct{})
	go r.labelled(func() {
		defer close(gone)
		err := call(ctx)
		r.mu.Lock()
		r.finished = true
		r.mu.Unlock()
		r.done <- err
	})
	t.Cleanup(func() {
		r.cancel()
		select {
		case <-gone:
		case <-time.After(wait):
			t.Errorf("%s has not returned %v after its context has ended", name, wait)
		}
		r.verify(t)
	})
	return r
}

// labelled calls work with the label: goroutines inherit it.
func (r *running) labelled(work func()) {
	pprof.Do(context.Background(), pprof.Labels(labelKey, r.label), func(context.Context) { work() })
}

// awaitThat waits until lacking finds that nothing is lacking.
func (r *running) awaitThat(t testing.TB, lacking func() string) {
	t.Helper()
	timeout := time.After(r.wait)
	for {
		r.mu.Lock()
		what, news := lacking(), r.news
		r.mu.Unlock()
		if what == "" {
			return
		}
		select {
		case <-news:
		case err := <-r.done:
			t.Fatalf("%s ended while this was waited for: %s: %v", r.name, what, err)
		case <-timeout:
			t.Fatalf("after %v: %s", r.wait, what)
		}
	}
}

// returned waits for the call to return, and returns its error.
func (r *running) returned(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(within):
		t.Fatalf("%s has not returned after %v", r.name, within)
		return nil
	}
}

// nothingLeft waits a moment for the goroutines that the call has started: one that has said it is done still has to end.
func (r *running) nothingLeft(t testing.TB) {
	t.Helper()
	var left string
	for deadline := time.Now().Add(quiet); !time.Now().After(deadline); time.Sleep(time.Millisecond) {
		if left = r.goroutine(t); left == "" {
			return
		}
	}
	t.Errorf("%s has returned, and this goroutine of it is left:\n%s", r.name, left)
}

// goroutine returns the stack of a goroutine that the call has started, or nothing.
func (r *running) goroutine(t testing.TB) string {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", labelKey, r.label)) {
			return stack
		}
	}
	return ""
}
