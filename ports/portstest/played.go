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

// played is a Run in progress. It is also its observer, which keeps what it is told as the daemon does, and notes what the contract forbids.
type played struct {
	running
	stage   SourceStage
	calls   map[string]int // of the observer, by their names
	devices map[domain.UserID]domain.Devices
	early   map[domain.UserID]bool // who was reported before Synced
}

// play begins a Run, which ends with ctx.
func play(ctx context.Context, t testing.TB, s SourceStage, source ports.Source) *played {
	t.Helper()
	p := &played{running: running{name: "Run", wait: patience}, stage: s,
		calls: map[string]int{}, devices: map[domain.UserID]domain.Devices{}, early: map[domain.UserID]bool{}}
	p.begin(ctx, t, func(ctx context.Context) error { return source.Run(ctx, p) })
	return p
}

// playSynced begins a Run of the stage's source, and waits for Synced.
func playSynced(t testing.TB, s SourceStage) *played {
	t.Helper()
	p := play(t.Context(), t, s, s.Source(t))
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
	p.awaitThat(t, func() (bool, string) {
		devices := p.devices[user]
		got, _ := devices.Merge()
		return got.Status == status && got.Message == message, fmt.Sprintf("%s is %v %q, want %v %q", user, got.Status, got.Message, status, message)
	})
}

func (p *played) awaitSynced(t testing.TB) {
	t.Helper()
	p.awaitThat(t, func() (bool, string) { return p.calls["Synced"] > 0, "Synced was not called" })
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

// ended waits for Run to end, and checks what is true of every end: there is a reason without a secret, and no goroutine is left.
func (p *played) ended(t testing.TB, within time.Duration) error {
	t.Helper()
	err := p.returned(t, within)
	if err == nil {
		t.Fatal("Run returned no reason")
	}
	p.checkNoSecret(t, err)
	p.nothingLeft(t)
	return err
}

func (p *played) notConnected(t testing.TB) {
	t.Helper()
	p.awaitThat(t, func() (bool, string) {
		return len(p.calls) == 0, fmt.Sprint("without a connection the observer was told ", p.calls)
	})
}

// told takes one call, which may be about a user. There is always room.
func (p *played) told(call string, take func(), about ...domain.UserID) (kept bool) {
	p.note(call, func() {
		if p.calls[call]++; p.calls["Connected"] == 0 {
			p.t.Errorf("%s was called before Connected", call)
		}
		for _, user := range about {
			if parsed, err := domain.ParseUserID(string(user)); err != nil || parsed != user {
				p.t.Errorf("%q is no user id as domain.ParseUserID makes it", user)
			}
		}
		take()
	})
	return true
}

func (p *played) Connected() { p.told("Connected", func() {}) }
func (p *played) Synced()    { p.told("Synced", func() {}) }

func (p *played) Known(user domain.UserID) bool { return p.told("Known", func() {}, user) }

func (p *played) Report(r domain.Report) bool {
	return p.told("Report", func() {
		devices := p.devices[r.User]
		if r.Status == domain.Unavailable {
			devices.Remove(r.Device, r.Prefix || r.Device == "")
		} else {
			devices.Set(domain.Device{Name: r.Device, Status: r.Status, Message: r.Message, Activity: r.Activity, Until: r.Until}, 100) // more than the stage has
			p.early[r.User] = p.early[r.User] || p.calls["Synced"] == 0
		}
		p.devices[r.User] = devices
	}, r.User)
}

// checkNoSecret fails the test if an error has a password in it.
func (p *played) checkNoSecret(t testing.TB, err error) {
	t.Helper()
	for _, secret := range p.stage.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("an error contains a secret: %s", strings.ReplaceAll(err.Error(), secret, "(the secret)"))
		}
	}
}

// AsOf implements ports.Observer.
func (p *played) AsOf(at domain.Timestamp, trouble error) {
	p.told("AsOf", func() {
		if trouble != nil {
			p.checkNoSecret(p.t, trouble)
		}
		if now := domain.TimestampOf(time.Now()); at > now {
			p.t.Errorf("the source knows at %v what is so at %v", now, at)
		}
	})
}

// Unconfirmed implements ports.Observer: nobody is left of an earlier Run.
func (p *played) Unconfirmed() int { return 0 }

func (p *played) Forget(user domain.UserID) {
	p.told("Forget", func() { delete(p.devices, user) }, user)
}
