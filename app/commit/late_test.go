package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// overtaken makes the next entry arrive after what another daemon has written of the same user.
func (b *bench) overtaken(t *testing.T, user domain.UserID, message string, meanwhile func()) {
	t.Helper()
	b.journal.append = func(entry []byte) error {
		b.journal.append = nil
		old, _ := b.image.Presences(user).On(web)
		other := image.AppendHeader(nil, image.Header{Origin: 1, Number: 1})
		other = image.AppendGroup(other, []image.Write{{User: user, Old: old, New: old.Observe(domain.Shown{Status: domain.Away, Message: message}, domain.ExpiryPolicy{}, moment)}})
		if err := b.journal.deliver(other); err != nil {
			t.Error(err)
		}
		meanwhile()
		return b.journal.deliver(bytes.Clone(entry))
	}
}

// TestWhoWasOvertakenPlansAnewInTime: an update that another daemon's came before is carried out after it.
func TestWhoWasOvertakenPlansAnewInTime(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.overtaken(t, alice, "newer", func() { time.Sleep(time.Second) })
		if err := b.put(t.Context(), alice, "older"); err != nil || b.says(alice) != "older" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestALateUpdateIsNotPlannedAnew: what was sent more than two seconds ago does not take the place of what another daemon has acknowledged since.
func TestALateUpdateIsNotPlannedAnew(t *testing.T) {
	for range 20 { // the end of the two seconds and of the write come together
		scriptedTest(t, func(t *testing.T, b *bench) {
			b.overtaken(t, alice, "newer", func() { time.Sleep(2 * time.Second) })
			if err := b.put(t.Context(), alice, "older"); !errors.Is(err, ports.ErrUnavailable) || b.says(alice) != "newer" {
				t.Errorf("err = %v, alice says %q", err, b.says(alice))
			}
		})
	}
}

// goneContext is that of a caller whose going away is seen only by who asks.
type goneContext struct {
	context.Context //nolint:containedctx // it is one
	gone            bool
}

var errGone = errors.New("the client has gone")

func (c *goneContext) Err() error {
	if c.gone {
		return errGone
	}
	return c.Context.Err()
}

// TestNothingIsPlannedAnewForWhoHasGone: its caller will not be told, and may have sent something else to another daemon.
func TestNothingIsPlannedAnewForWhoHasGone(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		caller := &goneContext{Context: t.Context()}
		b.overtaken(t, alice, "newer", func() { caller.gone = true })
		if err := b.put(caller, alice, "older"); !errors.Is(err, errGone) || b.says(alice) != "newer" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestAfterAHaltNothingOlderIsWritten: what came before the daemon was halted is refused, whether that was noticed already or not, and so is what
// comes within a second.
func TestAfterAHaltNothingOlderIsWritten(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		refused := func(when string) {
			t.Helper()
			before := b.journal.appended
			if err := b.put(t.Context(), alice, when); !errors.Is(err, ports.ErrUnavailable) || b.journal.appended != before {
				t.Errorf("%s: err = %v, and %d entries were appended", when, err, b.journal.appended-before)
			}
		}
		b.Halted(time.Minute)
		refused("before the daemon has noticed")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		refused("right after it has")
		time.Sleep(time.Second)
		if err := b.put(t.Context(), alice, "later"); err != nil || b.says(alice) != "later" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestWhatWaitedDuringAHaltIsRefused: the daemon was halted while updates waited for the entry before.
func TestWhatWaitedDuringAHaltIsRefused(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		release := make(chan struct{})
		b.journal.append = func(entry []byte) error { <-release; return b.journal.deliver(entry) }
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- b.put(t.Context(), bob, "first") }()
		synctest.Wait()
		go func() { second <- b.put(t.Context(), alice, "second") }()
		synctest.Wait()
		b.Halted(time.Minute)
		close(release)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := <-second; !errors.Is(err, ports.ErrUnavailable) || b.says(alice) != "" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestAHaltedDaemonIsNotReadyUntilItHasCaughtUp: with a journal that others write. What was read before the halt does not expire meanwhile.
func TestAHaltedDaemonIsNotReadyUntilItHasCaughtUp(t *testing.T) {
	var cut atomic.Bool
	journal := &scripted{limit: 1 << 20, shared: true}
	journal.append = func(entry []byte) error {
		if cut.Load() {
			return fmt.Errorf("%w: no connection", ports.ErrUnavailable)
		}
		return journal.deliver(entry)
	}
	scriptedTestOver(t, journal, func(t *testing.T, b *bench) {
		cut.Store(true)
		b.Halted(time.Minute)
		if err := b.Ready(); !errors.Is(err, ports.ErrLoading) {
			t.Errorf("before the daemon has noticed, Ready = %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := b.Ready(); !errors.Is(err, ports.ErrLoading) {
			t.Errorf("without a connection, Ready = %v", err)
		}
		if known := b.image.Known(moment); known > moment.Add(-time.Minute) {
			t.Errorf("what is known is of %v before now", time.Duration(moment-known))
		}
		cut.Store(false)
		time.Sleep(200 * time.Millisecond)
		if err := b.Ready(); err != nil || b.image.Known(moment) != moment {
			t.Errorf("Ready = %v, what is known is of %v before now", err, time.Duration(moment-b.image.Known(moment)))
		}
	})
}

// TestWhoIsAloneHasNothingToCatchUpWith: reads go on after a halt.
func TestWhoIsAloneHasNothingToCatchUpWith(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.Halted(time.Minute)
		if err := b.Ready(); err != nil || b.image.Known(moment) != moment {
			t.Errorf("Ready = %v, what is known is of %v before now", err, time.Duration(moment-b.image.Known(moment)))
		}
	})
}

// TestWhileTheJournalCannotBeFollowed: the image says up to when it knows everything.
func TestWhileTheJournalCannotBeFollowed(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.to.Behind(time.Now().Add(-3 * time.Second))
		if known := b.image.Known(moment + 1); known != moment.Add(-3*time.Second) {
			t.Errorf("what is known is of %v before now, want 3 s", time.Duration(moment-known))
		}
		if err := b.Ready(); err != nil {
			t.Errorf("Ready = %v, although reads go on", err)
		}
		b.journal.to.Abreast()
		if known := b.image.Known(moment); known != moment {
			t.Errorf("what is known is of %v before now", time.Duration(moment-known))
		}
	})
}
