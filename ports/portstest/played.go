package portstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// played is a Run in progress. Whatever happens to it, its end is checked: no secret in its error, no goroutine left, no late call.
type played struct {
	*running
	stage SourceStage
	seen  *witness
}

// play begins a Run.
func play(t testing.TB, s SourceStage, source ports.Source) *played {
	t.Helper()
	return playUntil(t.Context(), t, s, source)
}

func playUntil(ctx context.Context, t testing.TB, s SourceStage, source ports.Source) *played {
	t.Helper()
	seen := newWitness()
	return &played{begin(ctx, t, "Run", patience, &seen.record, func(ctx context.Context) error { return source.Run(ctx, seen) }), s, seen}
}

// playSynced begins a Run of the stage's source, and waits for Synced.
func playSynced(t testing.TB, s SourceStage) *played {
	t.Helper()
	p := play(t, s, s.Source(t))
	p.awaitSynced(t)
	return p
}

// show lets the first device of a user show something, and waits until that is reported.
func (p *played) show(t testing.TB, user domain.UserID, status domain.Status, message string) {
	t.Helper()
	p.stage.Show(t, user, p.stage.Devices[0], status, message)
	p.await(t, user, status, message)
}

// await waits until the devices that were reported make a user show something.
func (p *played) await(t testing.TB, user domain.UserID, status domain.Status, message string) {
	t.Helper()
	p.awaitThat(t, func() string {
		devices := p.seen.devices[user]
		if gotStatus, gotMessage := devices.Merge(); gotStatus != status || gotMessage != message {
			return fmt.Sprintf("%s is %v %q, want %v %q", user, gotStatus, gotMessage, status, message)
		}
		return ""
	})
}

func (p *played) awaitSynced(t testing.TB) {
	t.Helper()
	p.awaitThat(t, func() string {
		if p.seen.synced == 0 {
			return "Synced was not called"
		}
		return ""
	})
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
	err := p.returned(t, within)
	if err == nil {
		t.Fatal("Run returned no reason")
	}
	for _, secret := range p.stage.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("an error contains a secret: %s", strings.ReplaceAll(err.Error(), secret, "(the secret)"))
		}
	}
	p.nothingLeft(t)
	return err
}

func (p *played) notConnected(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen.first != "" {
		t.Errorf("the observer was told %s without a connection", p.seen.first)
	}
}
