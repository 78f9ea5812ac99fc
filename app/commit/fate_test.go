package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// scripted is a journal that does to each entry what the test says. It shows what no real one can be made to do at will.
type scripted struct {
	to        ports.Replay
	delivered uint64
	append    func(entry []byte) error // nil: delivers
	follow    func(to ports.Replay) error
	appended  int
	limit     int
	shared    bool
}

func (s *scripted) Follow(ctx context.Context, to ports.Replay) error {
	s.to = to
	if s.follow != nil {
		if err := s.follow(to); err != nil {
			return err
		}
	}
	to.CaughtUp()
	<-ctx.Done()
	return ctx.Err()
}

func (s *scripted) Append(_ context.Context, entry []byte) error {
	s.appended++
	if s.append != nil {
		return s.append(entry)
	}
	return s.deliver(entry)
}

func (s *scripted) deliver(entry []byte) error {
	s.delivered++
	return s.to.Entry(s.delivered, bytes.Clone(entry))
}

func (s *scripted) Snapshot(context.Context, uint64, func() ([]byte, error)) error { return nil }
func (s *scripted) Shared() bool                                                   { return s.shared }
func (s *scripted) Limit() int                                                     { return s.limit }

// now is the time as a writer sees it.
type now struct{}

func (now) Now() domain.Timestamp { return moment }

// bench is a writer over a scripted journal in fake time.
type bench struct {
	*commit.Writer
	image   *image.Image
	journal *scripted
	log     *bytes.Buffer
	end     context.CancelFunc
}

func scriptedTest(t *testing.T, test func(t *testing.T, b *bench)) {
	scriptedTestOver(t, &scripted{limit: 1 << 20}, test)
}

// scriptedTestOver is scriptedTest with a journal.
func scriptedTestOver(t *testing.T, journal *scripted, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{image: image.New(), journal: journal, log: &bytes.Buffer{}}
		b.Writer = commit.New(b.image, b.journal, now{}, slog.New(slog.NewTextHandler(b.log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		b.end = cancel
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		synctest.Wait()
		test(t, b)
		b.end()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil when the context ends", err)
		}
	})
}

// put sets what a user says on web, whatever is there.
func (b *bench) put(ctx context.Context, user domain.UserID, message string) error {
	return b.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		old, _ := b.image.Presences(user).On(web)
		return append(writes, image.Write{User: user, Old: old, New: old.Observe(domain.Shown{Status: domain.Busy, Message: message}, domain.ExpiryPolicy{}, moment)}), nil
	})
}

func (b *bench) says(user domain.UserID) string {
	p, _ := b.image.Presences(user).On(web)
	return p.Message
}

func TestWhatWasNotKeptIsSaidAtOnce(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.append = func([]byte) error { return fmt.Errorf("%w: the disk is full", ports.ErrUnavailable) }
		for range 3 {
			if err := b.put(t.Context(), alice, "lost"); !errors.Is(err, ports.ErrUnavailable) || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("err = %v", err)
			}
		}
		b.journal.append = nil
		if err := b.put(t.Context(), alice, "kept"); err != nil || b.says(alice) != "kept" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
		synctest.Wait()
		if log := b.log.String(); strings.Count(log, "cannot be written, will") != 1 || strings.Count(log, "can be written again") != 1 {
			t.Errorf("the log says\n%s", log)
		}
	})
}

// TestNobodyKnows: the caller waits as long as it may. What was kept takes effect when it is delivered, and what was not does not keep others
// from writing.
func TestNobodyKnows(t *testing.T) {
	unknown := errors.New("connection lost")
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.append = func(entry []byte) error {
			entry = bytes.Clone(entry)
			time.AfterFunc(time.Second, func() { _ = b.journal.deliver(entry) })
			return unknown
		}
		if err := b.put(t.Context(), alice, "kept after all"); err != nil || b.says(alice) != "kept after all" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
		sent := make(chan []byte, 1)
		b.journal.append = func(entry []byte) error { sent <- bytes.Clone(entry); return unknown }
		began := time.Now()
		if err := b.put(t.Context(), alice, "lost"); !errors.Is(err, ports.ErrUnavailable) || time.Since(began) != 2*time.Second {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
		b.journal.append = nil
		if err := b.put(t.Context(), alice, "afterwards"); err != nil {
			t.Error(err)
		}
		if err := b.journal.deliver(<-sent); err != nil || b.says(alice) != "afterwards" { // it expects what is not there any more
			t.Errorf("Entry = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestDeliveryMayBeLate: the next entry is not sent before the last one has been applied.
func TestDeliveryMayBeLate(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.append = func(entry []byte) error {
			entry = bytes.Clone(entry)
			time.AfterFunc(300*time.Millisecond, func() { _ = b.journal.deliver(entry) })
			return nil
		}
		before := b.journal.appended
		failed := make(chan error)
		for i := range 10 {
			go func() { failed <- b.put(t.Context(), numbered(i), "x") }()
		}
		for range 10 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if n := b.journal.appended - before; n > 2 {
			t.Errorf("%d entries for ten callers, want one or two", n)
		}
	})
}

// TestWhoHasLeftIsNotWritten: a caller that gives up while its writes are queued is dropped before they are appended.
func TestWhoHasLeftIsNotWritten(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		release := make(chan struct{})
		b.journal.append = func(entry []byte) error { <-release; return b.journal.deliver(entry) }
		first := make(chan error, 1)
		go func() { first <- b.put(t.Context(), bob, "first") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.put(ctx, alice, "too late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		close(release)
		if err := <-first; err != nil {
			t.Error(err)
		}
		b.journal.append = nil
		if err := b.put(t.Context(), numbered(1), "x"); err != nil || b.says(alice) != "" {
			t.Errorf("err = %v, alice says %q", err, b.says(alice))
		}
	})
}

// TestOneWriteOfAPresenceAtATime: a second caller waits for the first, and plans anew from what that has written.
func TestOneWriteOfAPresenceAtATime(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.append = func(entry []byte) error { time.Sleep(100 * time.Millisecond); return b.journal.deliver(entry) }
		first := make(chan error, 1)
		go func() { first <- b.put(t.Context(), alice, "first") }()
		synctest.Wait()
		began := time.Now()
		if err := b.put(t.Context(), alice, "second"); err != nil || b.says(alice) != "second" || time.Since(began) != 200*time.Millisecond {
			t.Errorf("err = %v after %v, alice says %q", err, time.Since(began), b.says(alice))
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// TestEveryCallerWaitsForTwoSeconds: also one that uses again what an earlier caller needed, and one that waits for somebody else's write.
func TestEveryCallerWaitsForTwoSeconds(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		lost := func([]byte) error { return errors.New("connection lost") }
		slow := func(entry []byte) error {
			entry = bytes.Clone(entry)
			time.AfterFunc(3*time.Second, func() { _ = b.journal.deliver(entry) })
			return nil
		}
		late := func(who string) <-chan struct{} {
			began, ended := time.Now(), make(chan struct{})
			go func() {
				defer close(ended)
				if err := b.put(t.Context(), alice, who); !errors.Is(err, ports.ErrUnavailable) || time.Since(began) != 2*time.Second {
					t.Errorf("%s: err = %v after %v", who, err, time.Since(began))
				}
			}()
			synctest.Wait()
			return ended
		}
		for _, pause := range []time.Duration{0, 700 * time.Millisecond, 1999 * time.Millisecond, 5 * time.Second} {
			for _, fate := range []func([]byte) error{lost, slow, lost, slow} {
				b.journal.append = nil
				if err := b.put(t.Context(), alice, "in time"); err != nil {
					t.Error(err)
				}
				time.Sleep(pause)
				b.journal.append = fate
				first, second := late("the first"), late("the second")
				<-first
				<-second
				time.Sleep(2 * time.Second) // until it is delivered
			}
		}
	})
}

func TestTooMuchAtOnce(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.limit = 1000
		if err := b.put(t.Context(), alice, strings.Repeat("x", 1000)); !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("err = %v, want ErrTooLarge", err)
		}
		for i := range 20 { // together they would be too much for one entry
			if err := b.put(t.Context(), numbered(i), strings.Repeat("x", 800)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSync(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		if err := b.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		b.journal.append = func([]byte) error { return errors.New("connection lost") }
		began := time.Now()
		if err := b.Sync(t.Context()); !errors.Is(err, ports.ErrUnavailable) || time.Since(began) != 2*time.Second {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
	})
}

// TestAPositionIsKeptOnce: a caller that uses again what an earlier one needed does not set the exporter back.
func TestAPositionIsKeptOnce(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		exporter := domain.Exporter{Name: "webhook:crm"}
		for i := range domain.Revision(20) {
			if err := b.Place(t.Context(), domain.Position{Exporter: exporter, Revision: 2*i + 1}); err != nil {
				t.Error(err)
			}
			later := image.Header{Origin: 1, Number: uint64(i), Positions: []domain.Position{{Exporter: exporter, Revision: 2*i + 2}}}
			if err := b.journal.deliver(image.AppendHeader(nil, later)); err != nil {
				t.Error(err)
			}
			if err := b.put(t.Context(), alice, fmt.Sprint(i)); err != nil || b.image.Position(exporter) != 2*i+2 {
				t.Errorf("err = %v, the position is %d, want %d", err, b.image.Position(exporter), 2*i+2)
			}
		}
	})
}

// brokenContext panics when its caller begins to wait.
type brokenContext struct {
	context.Context //nolint:containedctx // it is one
	asked           int
}

func (c *brokenContext) Done() <-chan struct{} {
	if c.asked++; c.asked > 1 {
		panic("broken")
	}
	return c.Context.Done()
}

// TestAfterAPanic: what its caller has queued is still on its way, and the next callers are served.
func TestAfterAPanic(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		b.journal.append = func(entry []byte) error { time.Sleep(time.Millisecond); return b.journal.deliver(entry) }
		for i := range 20 {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("it does not panic")
					}
				}()
				_ = b.put(&brokenContext{Context: t.Context()}, alice, fmt.Sprint(i))
			}()
			for _, user := range []domain.UserID{bob, alice} {
				message := fmt.Sprint("afterwards ", i)
				if err := b.put(t.Context(), user, message); err != nil || b.says(user) != message {
					t.Errorf("err = %v, %s says %q, want %q", err, user, b.says(user), message)
				}
			}
		}
	})
}

// TestFirstRevisionIsTheTime: a store that was emptied, or that keeps nothing, never tells a revision again.
func TestFirstRevisionIsTheTime(t *testing.T) {
	scriptedTest(t, func(t *testing.T, b *bench) {
		if got := b.image.Revision(); got != domain.Revision(moment/1000) {
			t.Errorf("the revision begins at %d, want the time in microseconds, %d", got, moment/1000)
		}
	})
}

func TestRunEndsWithWhatIsWrong(t *testing.T) {
	wrong := errors.New("the disk is on fire")
	for name, follow := range map[string]func(to ports.Replay) error{
		"Follow fails":                  func(ports.Replay) error { return wrong },
		"Follow fails after a reset":    func(to ports.Replay) error { to.Reset(); return wrong },
		"an entry cannot be read":       func(to ports.Replay) error { return to.Entry(3, []byte{1, 2, 3}) },
		"an entry is of another format": func(to ports.Replay) error { return to.Entry(3, []byte{9}) },
		"a piece cannot be read":        func(to ports.Replay) error { return to.Piece(3, []byte{1, 2, 3}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := commit.New(image.New(), &scripted{follow: follow}, now{}, slog.New(slog.DiscardHandler))
				err := w.Run(t.Context())
				if err == nil || !errors.Is(err, wrong) && !strings.Contains(err.Error(), "up to entry 3") && !strings.Contains(err.Error(), "entry 3 of the journal") {
					t.Errorf("Run = %v", err)
				}
				if err := w.Ready(); !errors.Is(err, ports.ErrLoading) {
					t.Errorf("Ready = %v", err)
				}
				if err := w.Apply(t.Context(), nil); !errors.Is(err, ports.ErrUnavailable) || !errors.Is(err, ports.ErrLoading) {
					t.Errorf("Apply = %v", err)
				}
			})
		})
	}
}

// TestAfterTheEnd: nobody waits for a writer that has ended.
func TestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := &scripted{limit: 1000}
		b := &bench{image: image.New(), journal: journal}
		b.Writer = commit.New(b.image, journal, now{}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		<-b.Loaded()
		cancel()
		<-ended
		began := time.Now()
		if err := b.put(t.Context(), alice, "x"); !errors.Is(err, ports.ErrUnavailable) || time.Since(began) != 0 {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
	})
}
