package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// stub is a source that shows some users for as long as it runs.
type stub struct {
	about   domain.Source
	users   []domain.UserID
	began   atomic.Int32
	running atomic.Bool
}

func newStub(protocol domain.Protocol, users ...domain.UserID) *stub {
	return &stub{about: domain.Source{Protocol: protocol, StaleAfter: staleAfter}, users: users}
}

func (s *stub) Describe() domain.Source { return s.about }

func (s *stub) Run(ctx context.Context, seen ports.Observer) error {
	s.began.Add(1)
	s.running.Store(true)
	seen.Connected()
	for _, user := range s.users {
		seen.Report(online(user, "phone", domain.Busy, ""))
	}
	<-ctx.Done()
	time.Sleep(500 * time.Millisecond) // as the protocol takes to say goodbye
	s.running.Store(false)
	return ctx.Err()
}

// reconfigured runs a supervisor without any source.
func reconfigured(t *testing.T, test func(t *testing.T, store *coretest.Core, s *app.Supervisor)) {
	reconfiguredWith(t, quiet, test)
}

func reconfiguredWith(t *testing.T, log *slog.Logger, test func(t *testing.T, store *coretest.Core, s *app.Supervisor)) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		supervisor, err := app.NewSupervisor(nil, store.Core, memory.NewJournal(), clock.New(), log)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { supervisor.Run(ctx) })
		test(t, store, supervisor)
		cancel()
		running.Wait()
	})
}

func configure(t *testing.T, s *app.Supervisor, off []domain.Source, sources ...ports.Source) {
	t.Helper()
	if err := s.Configure(sources, off); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	synctest.Wait()
}

// says is what a user's presence on a protocol is, in a few words.
func says(store *coretest.Core, user domain.UserID, protocol domain.Protocol) string {
	p, known := store.Presences(user).At(clock.New().Now()).On(protocol)
	if !known {
		return "nothing"
	}
	return strings.TrimSpace(p.Status.String() + map[bool]string{true: " (stale)"}[p.Stale])
}

// A source whose configuration has changed begins anew when the old one has ended, and changes nothing for those who are still there. Other sources
// go on.
func TestSourceIsReplaced(t *testing.T) {
	reconfigured(t, func(t *testing.T, store *coretest.Core, s *app.Supervisor) {
		old, other, next := newStub(chat, anna, bea), newStub(domain.MustProtocol("irc"), carl), newStub(chat, anna)
		configure(t, s, nil, old, other)
		revision := store.Revision()
		if err := s.Configure([]ports.Source{next, other}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		if !old.running.Load() || next.began.Load() != 0 {
			t.Errorf("the old one runs: %t; the next one has begun %d times before it has ended", old.running.Load(), next.began.Load())
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if old.running.Load() || !next.running.Load() || !other.running.Load() || other.began.Load() != 1 {
			t.Errorf("they run: %t, %t, %t", old.running.Load(), next.running.Load(), other.running.Load())
		}
		if anna, bea := says(store, anna, chat), says(store, bea, chat); anna != "busy" || bea != "busy" || store.Revision() != revision {
			t.Errorf("anna is %s, bea is %s; revision %d, was %d", anna, bea, store.Revision(), revision)
		}
		time.Sleep(5 * time.Second) // who is not there any more is found out
		if anna, bea := says(store, anna, chat), says(store, bea, chat); anna != "busy" || bea != "busy (stale)" {
			t.Errorf("then anna is %s, bea is %s", anna, bea)
		}
		if got := s.Statuses(); len(got) != 2 || got[1].State != domain.SourceConnected || got[1].Users != 1 {
			t.Errorf("the statuses are %+v", got)
		}
	})
}

// What a source has said that was switched off ends as if it had lost its link. One that is on again begins anew.
func TestSourceIsSwitchedOff(t *testing.T) {
	reconfigured(t, func(t *testing.T, store *coretest.Core, s *app.Supervisor) {
		source, other := newStub(chat, anna), newStub(domain.MustProtocol("irc"), carl)
		configure(t, s, nil, source, other)
		configure(t, s, []domain.Source{source.about}, other)
		if got := says(store, anna, chat); got != "busy (stale)" || source.running.Load() {
			t.Errorf("anna is %s; it runs: %t", got, source.running.Load())
		}
		if got := s.Statuses(); len(got) != 1 || got[0].Protocol.String() != "irc" {
			t.Errorf("the statuses are %+v", got)
		}
		time.Sleep(staleAfter)
		if got := says(store, anna, chat); got != "unavailable (stale)" {
			t.Errorf("after stale_after anna is %s", got)
		}
		configure(t, s, nil, source, other)
		if got := says(store, anna, chat); got != "busy" || source.began.Load() != 2 || other.began.Load() != 1 {
			t.Errorf("when it is on again anna is %s; it has begun %d times, the other one %d times", got, source.began.Load(), other.began.Load())
		}
		configure(t, s, nil, other) // gone without a word
		configure(t, s, nil, source, other)
		if !source.running.Load() || source.began.Load() != 3 {
			t.Errorf("the third time it has begun %d times", source.began.Load())
		}
	})
}

// So does what clients have said: it ends within a minute, or when it would have ended anyway.
func TestClientProtocolIsSwitchedOff(t *testing.T) {
	reconfigured(t, func(t *testing.T, store *coretest.Core, s *app.Supervisor) {
		manual := domain.MustProtocol("manual")
		set := func(user domain.UserID, until time.Duration) {
			store.Change(t, user, manual, func(p domain.Presence, now domain.Timestamp) domain.Presence {
				p = p.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true}, now)
				if until > 0 {
					p = p.HoldUntil(now.Add(until))
				}
				return p
			})
		}
		set(anna, 0)
		set(bea, 20*time.Second)
		set(carl, time.Hour)
		store.Journal.Before(3, func() error { return fmt.Errorf("disk full: %w", ports.ErrUnavailable) })
		configure(t, s, []domain.Source{{Protocol: manual, StaleAfter: time.Minute, Absent: domain.AbsentNothing}})
		time.Sleep(10 * time.Second) // nothing could be written at first
		for _, user := range []domain.UserID{anna, bea, carl} {
			if got := says(store, user, manual); got != "busy (stale)" {
				t.Errorf("%s is %s", user, got)
			}
		}
		time.Sleep(10 * time.Second)
		if anna, bea := says(store, anna, manual), says(store, bea, manual); anna != "busy (stale)" || bea != "nothing" {
			t.Errorf("after 20 seconds anna is %s, bea is %s", anna, bea)
		}
		time.Sleep(time.Minute)
		if anna, carl := says(store, anna, manual), says(store, carl, manual); anna != "nothing" || carl != "nothing" {
			t.Errorf("after a minute anna is %s, carl is %s", anna, carl)
		}
	})
}

// That it cannot be ended, because nothing can be written, is logged once, however often it is tried.
func TestSwitchedOffIsLoggedOnce(t *testing.T) {
	var text bytes.Buffer
	reconfiguredWith(t, slog.New(slog.NewTextHandler(&text, nil)), func(t *testing.T, store *coretest.Core, s *app.Supervisor) {
		manual := domain.MustProtocol("manual")
		store.Change(t, anna, manual, func(p domain.Presence, now domain.Timestamp) domain.Presence {
			return p.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, now)
		})
		calls := 0
		store.Journal.Before(20, func() error {
			if calls++; calls == 1 { // the supervisor makes sure that it knows everything
				return nil
			}
			return fmt.Errorf("disk full: %w", ports.ErrUnavailable)
		})
		configure(t, s, []domain.Source{{Protocol: manual, StaleAfter: time.Hour}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if log := text.String(); strings.Count(log, "cannot mark presences as stale") != 1 || !strings.Contains(log, "the protocol is off") {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// Of many configurations in quick succession the last one counts, and no two sources of a protocol run at a time.
func TestManyConfigurations(t *testing.T) {
	reconfigured(t, func(t *testing.T, _ *coretest.Core, s *app.Supervisor) {
		var all []*stub
		for range 100 {
			all = append(all, newStub(chat, anna))
			if err := s.Configure([]ports.Source{all[len(all)-1]}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Millisecond)
			running := 0
			for _, source := range all {
				if source.running.Load() {
					running++
				}
			}
			if running > 1 {
				t.Fatalf("%d run", running)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for i, source := range all {
			if source.running.Load() != (i == len(all)-1) {
				t.Errorf("number %d runs: %t", i, source.running.Load())
			}
		}
		if err := s.Configure([]ports.Source{all[0], all[1]}, nil); err == nil {
			t.Error("two sources of a protocol are accepted")
		}
		synctest.Wait()
		if !all[99].running.Load() {
			t.Error("a configuration that was refused has ended a source")
		}
	})
}
