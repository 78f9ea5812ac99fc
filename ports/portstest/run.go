package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// played is a Run in progress. Whatever happens to it, its end is checked: no secret in its error, no goroutine left, no late call.
type played struct {
	stage  SourceStage
	seen   *witness
	label  string // of the goroutines that Run starts, and of theirs
	cancel func()
	done   chan error
}

// labelKey is the name of the label; labels makes their values.
const labelKey = "portstest"

var labels atomic.Int64

// play begins a Run.
func play(t testing.TB, s SourceStage, source ports.Source) *played {
	t.Helper()
	return playUntil(t.Context(), t, s, source)
}

func playUntil(ctx context.Context, t testing.TB, s SourceStage, source ports.Source) *played {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	p := &played{stage: s, seen: newWitness(), label: fmt.Sprintf("run %d", labels.Add(1)), done: make(chan error, 1)}
	p.cancel = func() { p.labelled(cancel) } // what ends by the context may start a goroutine
	go p.labelled(func() {
		err := source.Run(ctx, p.seen)
		p.seen.finish()
		p.done <- err
	})
	t.Cleanup(func() {
		p.cancel()
		p.seen.verify(t)
	})
	return p
}

// labelled calls work with the label: goroutines inherit it.
func (p *played) labelled(work func()) {
	pprof.Do(context.Background(), pprof.Labels(labelKey, p.label), func(context.Context) { work() })
}

// await waits until the devices that were reported make a user show something.
func (p *played) await(t testing.TB, user domain.UserID, status domain.Status, message string) {
	t.Helper()
	p.awaitThat(t, func(w *witness) string {
		devices := w.devices[user]
		if gotStatus, gotMessage := devices.Merge(); gotStatus != status || gotMessage != message {
			return fmt.Sprintf("%s is %v %q, want %v %q", user, gotStatus, gotMessage, status, message)
		}
		return ""
	})
}

// awaitDevices waits until as many devices of a user are there.
func (p *played) awaitDevices(t testing.TB, user domain.UserID, want int) {
	t.Helper()
	p.awaitThat(t, func(w *witness) string {
		if got := len(w.names[user]); got != want {
			return fmt.Sprintf("%s has %d devices, want %d", user, got, want)
		}
		return ""
	})
}

func (p *played) awaitSynced(t testing.TB) {
	t.Helper()
	p.awaitThat(t, func(w *witness) string {
		if w.synced == 0 {
			return "Synced was not called"
		}
		return ""
	})
}

// awaitThat waits until lacking finds that nothing is lacking.
func (p *played) awaitThat(t testing.TB, lacking func(*witness) string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		p.seen.mu.Lock()
		what, news := lacking(p.seen), p.seen.news
		p.seen.mu.Unlock()
		if what == "" {
			return
		}
		select {
		case <-news:
		case err := <-p.done:
			t.Fatalf("Run ended while this was waited for: %s: %v", what, err)
		case <-timeout:
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

// lost waits for Run to end because the link is lost, which is no refusal.
func (p *played) lost(t testing.TB, within time.Duration) {
	t.Helper()
	if err := p.ended(t, within); errors.Is(err, context.Canceled) || errors.Is(err, ports.ErrRejected) {
		t.Errorf("Run = %v, want what happened to the connection", err)
	}
}

// stop ends the context and expects Run to follow.
func (p *played) stop(t testing.TB) {
	t.Helper()
	p.cancel()
	if err := p.ended(t, stopWithin); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want its context's error", err)
	}
}

// ended waits for Run to end, and checks what is true of every end.
func (p *played) ended(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case err := <-p.done:
		if err == nil {
			t.Fatal("Run returned no reason")
		}
		p.stage.withoutSecret(t, err.Error())
		p.nothingLeft(t)
		return err
	case <-time.After(within):
		t.Fatalf("Run has not returned after %v", within)
		return nil
	}
}

// nothingLeft waits a moment for the goroutines that Run has started: one that has said it is done still has to end.
func (p *played) nothingLeft(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(quiet)
	for {
		left := p.goroutines(t)
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("Run has returned, and this goroutine of it is left:\n%s", left)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// goroutines returns the stack of a goroutine that Run has started, or nothing.
func (p *played) goroutines(t testing.TB) string {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", labelKey, p.label)) {
			return stack
		}
	}
	return ""
}

func (p *played) notConnected(t testing.TB) {
	t.Helper()
	p.seen.mu.Lock()
	defer p.seen.mu.Unlock()
	if p.seen.first != "" {
		t.Errorf("the observer was told %s without a connection", p.seen.first)
	}
}
