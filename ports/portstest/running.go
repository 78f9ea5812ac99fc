package portstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// running is a call that goes on until its context ends: Run of a source, Follow of a journal. What it should not tell fails the test.
type running struct {
	t      testing.TB
	name   string
	wait   time.Duration
	label  string // of the goroutines that the call starts, and of theirs
	cancel func()
	done   chan struct{} // closed when the call has returned
	err    error         // what it has returned

	mu sync.Mutex // for what is told
}

// begin begins the call. When the test ends, so does its context.
func (r *running) begin(ctx context.Context, t testing.TB, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	r.t, r.label, r.done = t, rand.Text(), make(chan struct{})
	r.cancel = func() { r.labelled(cancel) } // what ends by the context may start a goroutine
	go r.labelled(func() {
		defer close(r.done)
		r.err = call(ctx)
	})
	t.Cleanup(func() {
		r.cancel()
		_ = r.returned(t, r.wait)
	})
}

// labelled calls work with the label: goroutines inherit it.
func (r *running) labelled(work func()) {
	pprof.Do(context.Background(), pprof.Labels("portstest", r.label), func(context.Context) { work() })
}

// note takes what is told with one call.
func (r *running) note(call string, take func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
		r.t.Errorf("%s was called after the end", call)
	default:
	}
	take()
}

// awaitThat waits until look finds that something holds, for as long as the call goes on. look also says how it is.
func (r *running) awaitThat(t testing.TB, look func() (holds bool, what string)) {
	t.Helper()
	for deadline := time.Now().Add(r.wait); ; {
		r.mu.Lock()
		holds, what := look()
		r.mu.Unlock()
		if holds {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", r.wait, what)
		}
		select {
		case <-r.done:
			t.Fatalf("%s ended while this was waited for: %s: %v", r.name, what, r.err)
		case <-time.After(time.Millisecond):
		}
	}
}

// returned waits for the call to return, and returns its error.
func (r *running) returned(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(within):
		t.Fatalf("%s has not returned after %v", r.name, within)
	}
	return r.err
}

// nothingLeft waits a moment for the goroutines that the call has started: one that has said it is done still has to end.
func (r *running) nothingLeft(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(quiet); ; time.Sleep(5 * time.Millisecond) {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		stacks := strings.Split(profile.String(), "\n\n")
		left := slices.IndexFunc(stacks, func(stack string) bool { return strings.Contains(stack, r.label) })
		if left < 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s has returned, and this goroutine of it is left:\n%s", r.name, stacks[left])
			return
		}
	}
}
