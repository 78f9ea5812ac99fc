package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

const staleAfter = time.Minute

// stage is a supervisor in fake time whose one source does what the test says: each Run hands its observer to the test, and
// returns what the test sends.
type stage struct {
	store *coretest.Core
	runs  chan ports.Observer
	lose  chan error
	log   bytes.Buffer

	supervisor *app.Supervisor
}

func supervised(t *testing.T, test func(t *testing.T, s *stage)) {
	supervisedWithin(t, app.Limits{}, domain.AbsentUnavailable, test)
}

func supervisedWithin(t *testing.T, limits app.Limits, absent domain.Absence, test func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		store.Limits = app.NewCurrentLimits(limits)
		runSupervisor(t, store, absent, test)
	})
}

// runSupervisor runs a supervisor for as long as the test.
func runSupervisor(t *testing.T, store *coretest.Core, absent domain.Absence, test func(t *testing.T, s *stage)) {
	t.Helper()
	s := &stage{store: store, runs: make(chan ports.Observer), lose: make(chan error)}
	source := mocks.NewMockSource(gomock.NewController(t))
	source.EXPECT().Describe().Return(domain.Source{Protocol: chat, StaleAfter: staleAfter, Absent: absent}).AnyTimes()
	source.EXPECT().Run(gomock.Any(), gomock.Any()).DoAndReturn(s.run).AnyTimes()
	supervisor, err := app.NewSupervisor([]ports.Source{source}, store.Core, memory.NewJournal(), clock.New(), slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.supervisor = supervisor
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { supervisor.Run(ctx) })
	test(t, s)
	cancel()
	running.Wait()
}

func (s *stage) run(ctx context.Context, observer ports.Observer) error {
	select {
	case s.runs <- observer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-s.lose:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shows compares what the store has on the source's protocol, as readers see it now.
func (s *stage) shows(t *testing.T, want map[domain.UserID]string) {
	t.Helper()
	time.Sleep(100 * time.Millisecond) // reports are gathered for a moment
	synctest.Wait()
	got := map[domain.UserID]string{}
	s.store.Each(func(user domain.UserID, ps domain.Presences) bool {
		p, _ := ps.At(clock.New().Now()).On(chat)
		got[user] = strings.TrimSpace(p.Status.String() + " " + p.Message)
		if p.Stale {
			got[user] += " (stale)"
		}
		return true
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the store shows %v, want %v", got, want)
	}
}

type users = map[domain.UserID]string

const (
	bea  domain.UserID = "bea@example.test"
	carl domain.UserID = "carl@example.test"
)

func online(user domain.UserID, device string, status domain.Status, message string) domain.Report {
	return domain.Report{User: user, Device: device, Status: status, Message: message}
}

func TestDevicesOfASourceAreMerged(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Available, "here"))
		s.shows(t, users{anna: "available here"})
		seen.Report(online(anna, "phone", domain.Busy, "calling"))
		s.shows(t, users{anna: "busy calling"})
		seen.Report(online(anna, "laptop", domain.Unavailable, ""))
		s.shows(t, users{anna: "busy calling"})
		seen.Report(online(anna, "phone", domain.Away, ""))
		s.shows(t, users{anna: "away"})
		seen.Report(online(anna, "laptop", domain.Away, "lunch"))
		seen.Report(online(anna, "", domain.Unavailable, "bye"))
		s.shows(t, users{anna: "unavailable"})
	})
}

func TestKnownUsersAreUnavailableOnceInSync(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Known(anna)
		seen.Known(bea)
		s.shows(t, users{})
		seen.Report(online(bea, "x", domain.Busy, ""))
		seen.Known(bea)
		seen.Synced()
		s.shows(t, users{anna: "unavailable", bea: "busy"})
		seen.Known(carl)
		s.shows(t, users{anna: "unavailable", bea: "busy", carl: "unavailable"})
	})
}

func TestForgottenUsersAreUnknown(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "x", domain.Busy, ""))
		s.shows(t, users{anna: "busy"})
		seen.Forget(anna)
		seen.Forget(bea) // never heard of
		s.shows(t, users{})
		seen.Synced()
		s.shows(t, users{})
		seen.Report(online(anna, "x", domain.Away, ""))
		s.shows(t, users{anna: "away"})
	})
}

func TestOverlongMessagesAreClipped(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Report(online(anna, "x", domain.Busy, strings.Repeat("x", 10*domain.MaxMessage)))
		time.Sleep(100 * time.Millisecond)
		if p, _ := s.store.Presences(anna).On(chat); len(p.Message) != domain.MaxMessage {
			t.Errorf("a message of %d bytes is stored", len(p.Message))
		}
	})
}

func TestLostLink(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		seen.Report(online(bea, "laptop", domain.Available, ""))
		seen.Report(online(carl, "", domain.Unavailable, ""))
		seen.Synced()
		s.shows(t, users{anna: "busy call", bea: "available", carl: "unavailable"})
		s.lose <- errors.New("connection reset")
		s.shows(t, users{anna: "busy call (stale)", bea: "available (stale)", carl: "unavailable (stale)"})

		// Back again: anna is reported, bea has left meanwhile.
		seen = <-s.runs
		seen.Connected()
		s.shows(t, users{anna: "busy call (stale)", bea: "available (stale)", carl: "unavailable (stale)"})
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		s.shows(t, users{anna: "busy call", bea: "available (stale)", carl: "unavailable (stale)"})
		seen.Synced()
		s.shows(t, users{anna: "busy call", bea: "unavailable", carl: "unavailable"})

		// And lost for longer than stale_after, the failed attempts included.
		s.lose <- errors.New("connection reset")
		lost := time.Now()
		for time.Since(lost) < staleAfter-lastRetry {
			<-s.runs
			s.lose <- errors.New("connection refused")
		}
		s.shows(t, users{anna: "busy call (stale)", bea: "unavailable (stale)", carl: "unavailable (stale)"})
		time.Sleep(time.Until(lost.Add(staleAfter + 20*time.Millisecond)))
		s.shows(t, users{anna: "unavailable (stale)", bea: "unavailable (stale)", carl: "unavailable (stale)"})
	})
}

// When the link is back, whoever is stale has stale_after anew to be reported, but only once until the source is in sync.
func TestTheLinkIsBackJustInTime(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		seen.Report(online(bea, "laptop", domain.Busy, "call"))
		seen.Synced()
		s.lose <- errors.New("connection reset")
		lost := time.Now()
		at := func(moment time.Duration, want users) {
			t.Helper()
			time.Sleep(time.Until(lost.Add(moment)))
			s.shows(t, want)
		}
		seen = <-s.runs
		at(staleAfter-time.Second, users{anna: "busy call (stale)", bea: "busy call (stale)"})
		seen.Connected()
		at(staleAfter+time.Second, users{anna: "busy call (stale)", bea: "busy call (stale)"})
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		at(staleAfter+2*time.Second, users{anna: "busy call", bea: "busy call (stale)"})
		s.lose <- errors.New("connection reset")
		seen = <-s.runs
		seen.Connected()
		at(2*staleAfter, users{anna: "busy call (stale)", bea: "unavailable (stale)"})
		seen.Synced()
		s.shows(t, users{anna: "unavailable", bea: "unavailable"})
	})
}

const lastRetry = 30 * time.Second

func TestADeviceThatLeavesBeforeSyncedSaysNothingOfTheOthers(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Busy, ""))
		seen.Report(online(anna, "phone", domain.Busy, ""))
		s.lose <- errors.New("connection reset")
		seen = <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Unavailable, ""))
		s.shows(t, users{anna: "busy (stale)"})
		seen.Report(online(anna, "phone", domain.Busy, ""))
		s.shows(t, users{anna: "busy"})
		seen.Synced()
		seen.Report(online(anna, "phone", domain.Unavailable, ""))
		s.shows(t, users{anna: "unavailable"})
	})
}

func TestADeviceThatComesAndLeavesBeforeSyncedIsGone(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		s.shows(t, users{anna: "busy call"})
		seen.Report(online(anna, "laptop", domain.Unavailable, ""))
		s.shows(t, users{anna: "unavailable"})
	})
}

// A source can ask how many users an earlier Run has left online, and are not told of yet.
func TestUnconfirmedUsersAreCounted(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		wants := func(want int) {
			t.Helper()
			if got := seen.Unconfirmed(); got != want {
				t.Errorf("%d users are to be confirmed, want %d", got, want)
			}
		}
		seen.Connected()
		wants(0)
		for _, user := range []domain.UserID{anna, bea, carl} {
			seen.Report(online(user, "laptop", domain.Busy, ""))
		}
		seen.Report(online("dora@example.test", "laptop", domain.Unavailable, ""))
		seen.Synced()
		wants(0)
		s.lose <- errors.New("connection reset")
		seen = <-s.runs
		wants(3)
		seen.Connected()
		seen.Known(anna)
		wants(3)
		seen.Report(online(anna, "phone", domain.Away, ""))
		seen.Report(online(anna, "laptop", domain.Busy, ""))
		seen.Report(online("dora@example.test", "laptop", domain.Busy, ""))
		wants(2)
		seen.Report(online(bea, "", domain.Unavailable, ""))
		wants(1)
		seen.Forget(carl)
		seen.Forget(carl)
		wants(0)
	})
}

// A device that fell silent leaves its user as stale for a while, unless there is another one.
func TestSilentDevices(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		silent := func(user domain.UserID, device string) domain.Report {
			return domain.Report{User: user, Device: device, Stale: true}
		}
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "laptop", domain.Busy, "call"))
		seen.Report(online(bea, "laptop", domain.Busy, "call"))
		seen.Report(online(bea, "phone", domain.Away, ""))
		seen.Report(online(carl, "laptop", domain.Busy, "call"))
		seen.Synced()
		s.shows(t, users{anna: "busy call", bea: "busy call", carl: "busy call"})
		for _, user := range []domain.UserID{anna, bea, carl} {
			seen.Report(silent(user, "laptop"))
		}
		s.shows(t, users{anna: "busy call (stale)", bea: "away", carl: "busy call (stale)"})
		seen.Report(online(carl, "laptop", domain.Busy, "call"))
		seen.Report(silent(anna, "laptop"))
		s.shows(t, users{anna: "busy call (stale)", bea: "away", carl: "busy call"})
		time.Sleep(staleAfter)
		s.shows(t, users{anna: "unavailable (stale)", bea: "away", carl: "busy call"})
		seen.Report(silent(carl, "laptop"))
		s.shows(t, users{anna: "unavailable (stale)", bea: "away", carl: "busy call (stale)"})
		seen.Report(online(carl, "laptop", domain.Unavailable, ""))
		seen.Report(online(anna, "phone", domain.Available, ""))
		s.shows(t, users{anna: "available", bea: "away", carl: "unavailable"})
		seen.Report(silent(carl, "laptop"))
		s.shows(t, users{anna: "available", bea: "away", carl: "unavailable"})
	})
}

// TestSourceKnowsTheEnd: what a source says with an end is over at that moment, before the source says so, and while the link is lost, too. Another
// end is a change, and a report without an end takes it away.
func TestSourceKnowsTheEnd(t *testing.T) {
	supervisedWithin(t, app.Limits{}, domain.AbsentNothing, func(t *testing.T, s *stage) {
		feed := app.NewFeed(s.store.Core, clock.New(), domain.Precedence{})
		meeting := func(until time.Duration) domain.Report {
			report := online(bea, "meeting", domain.Busy, "review")
			report.Until = clock.New().Now().Add(until)
			return report
		}
		next := func() time.Duration {
			states, _ := statesOf(t, feed, string(bea))
			return time.Duration(states[0].Next.At - clock.New().Now())
		}
		seen := <-s.runs
		seen.Connected()
		seen.Report(meeting(20 * time.Second))
		seen.Synced()
		s.shows(t, users{bea: "busy review"})
		before := s.store.Revision()
		seen.Report(meeting(40 * time.Second))
		s.shows(t, users{bea: "busy review"})
		if after := s.store.Revision(); after != before+1 || next() > 40*time.Second || next() < 30*time.Second {
			t.Errorf("another end makes revision %d of %d, and is in %v", after, before, next())
		}
		s.lose <- errors.New("connection reset")
		s.shows(t, users{bea: "busy review (stale)"})
		time.Sleep(next())
		if states, _ := statesOf(t, feed, string(bea)); states[0].Unified.Status != domain.Busy {
			t.Errorf("at the meeting's last moment bea is %+v", states[0])
		}
		time.Sleep(time.Nanosecond)
		if states, _ := statesOf(t, feed, string(bea)); len(states[0].Presences) != 0 {
			t.Errorf("after the meeting bea is %+v", states[0])
		}
	})
}

// TestSourceCannotAsk: what a source knew last counts as stale, changes with what it knew, and is current again when the source says so.
func TestSourceCannotAsk(t *testing.T) {
	supervisedWithin(t, app.Limits{}, domain.AbsentNothing, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Synced()
		report := func(message string, stale bool) {
			r := online(bea, "meeting", domain.Busy, message)
			r.Stale = stale
			seen.Report(r)
		}
		report("review", false)
		s.shows(t, users{bea: "busy review"})
		before := s.store.Revision()
		report("review", true)
		s.shows(t, users{bea: "busy review (stale)"})
		report("lunch", true)
		s.shows(t, users{bea: "busy lunch (stale)"})
		time.Sleep(2 * staleAfter)
		s.shows(t, users{bea: "busy lunch (stale)"}) // until it is withdrawn
		report("lunch", false)
		s.shows(t, users{bea: "busy lunch"})
		if after := s.store.Revision(); after != before+3 {
			t.Errorf("three changes make revision %d of %d", after, before)
		}
		report("lunch", true)
		seen.Report(online(bea, "meeting", domain.Unavailable, ""))
		s.shows(t, users{})
	})
}

// TestAbsentCanMeanNothing: nothing is left of users that such a source knows but that have no device, nor of those that it does not report.
func TestAbsentCanMeanNothing(t *testing.T) {
	supervisedWithin(t, app.Limits{}, domain.AbsentNothing, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Known(anna)
		seen.Report(online(bea, "meeting", domain.Busy, "review"))
		seen.Report(online(carl, "meeting", domain.Busy, "review"))
		seen.Synced()
		s.shows(t, users{bea: "busy review", carl: "busy review"})
		seen.Report(online(carl, "meeting", domain.Unavailable, ""))
		seen.Known(anna)
		s.shows(t, users{bea: "busy review"})
		seen.Report(online(carl, "", domain.Unavailable, ""))
		seen.Report(online(anna, "meeting", domain.Away, ""))
		s.shows(t, users{anna: "away", bea: "busy review"})

		s.lose <- errors.New("connection reset")
		s.shows(t, users{anna: "away (stale)", bea: "busy review (stale)"})
		seen = <-s.runs
		seen.Connected()
		seen.Known(bea)
		seen.Report(online(anna, "meeting", domain.Busy, ""))
		s.shows(t, users{anna: "busy", bea: "busy review (stale)"})
		imported := domain.Presence{Protocol: chat}.Observe(domain.Shown{Status: domain.Unavailable}, domain.ExpiryPolicy{}, clock.New().Now())
		if err := s.store.Apply(t.Context(), image.Write{User: carl, New: imported}); err != nil {
			t.Fatal(err)
		}
		s.shows(t, users{anna: "busy", bea: "busy review (stale)", carl: "unavailable"})
		seen.Synced()
		s.shows(t, users{anna: "busy"})
		seen.Forget(anna)
		s.shows(t, users{})
	})
}

func TestRetriesBackOff(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		<-s.runs
		limit := time.Second
		for i := range 20 {
			lost := time.Now()
			s.lose <- errors.New("connection refused")
			seen := <-s.runs
			if waited := time.Since(lost); waited < limit/2 || waited > limit {
				t.Errorf("retry %d after %v, want between %v and %v", i, waited, limit/2, limit)
			}
			limit = min(2*limit, lastRetry)
			seen.Connected() // a connection that does not hold is no success
		}
		time.Sleep(lastRetry)
		lost := time.Now()
		s.lose <- errors.New("connection reset")
		<-s.runs
		if waited := time.Since(lost); waited > time.Second {
			t.Errorf("after a connection that held, retry after %v, want at most a second", waited)
		}
	})
}

func TestRejectionIsSaidAndRetriedSlowly(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		<-s.runs
		lost := time.Now()
		s.lose <- fmt.Errorf("%w: wrong password", ports.ErrRejected)
		<-s.runs
		if waited := time.Since(lost); waited < 2*time.Minute || waited > 5*time.Minute {
			t.Errorf("retry after %v, want minutes", waited)
		}
		if log := s.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "wrong password") || !strings.Contains(log, "retry_in=") {
			t.Errorf("the log says %q", log)
		}
	})
}

func TestSourceIsNotHeldUpByTheStore(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		synctest.Wait()
		s.store.Journal.Before(3, func() error { return ports.ErrUnavailable })
		seen.Report(online(anna, "x", domain.Available, ""))
		synctest.Wait()
		seen.Report(online(anna, "x", domain.Busy, ""))
		seen.Synced()
		s.shows(t, users{})
		time.Sleep(4 * time.Second)
		s.shows(t, users{anna: "busy"})
	})
}

func TestWhatWasSeenLastIsRecordedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		source := mocks.NewMockSource(gomock.NewController(t))
		source.EXPECT().Describe().Return(domain.Source{Protocol: chat, StaleAfter: staleAfter}).AnyTimes()
		source.EXPECT().Run(gomock.Any(), gomock.Any()).DoAndReturn(func(_ context.Context, seen ports.Observer) error {
			cancel()
			synctest.Wait()
			seen.Report(online(anna, "x", domain.Busy, ""))
			return ctx.Err()
		})
		supervisor, err := app.NewSupervisor([]ports.Source{source}, store.Core, memory.NewJournal(), clock.New(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		supervisor.Run(ctx)
		if p, _ := store.Presences(anna).On(chat); p.Status != domain.Busy || !p.Stale {
			t.Errorf("after the end: %+v, want busy and stale", p)
		}
	})
}

func TestTwoSourcesOfOneProtocolAreRefused(t *testing.T) {
	source := mocks.NewMockSource(gomock.NewController(t))
	source.EXPECT().Describe().Return(domain.Source{Protocol: chat, StaleAfter: staleAfter}).AnyTimes()
	if _, err := app.NewSupervisor([]ports.Source{source, source}, coretest.Start(t).Core, memory.NewJournal(), clock.New(), quiet); err == nil || !strings.Contains(err.Error(), "xmpp") {
		t.Errorf("err = %v, want one that names xmpp", err)
	}
}

// TestWhatDoesNotChangeIsRenewed: a presence that a source keeps watching never looks as if nobody had updated it for long. That is no
// change, and nobody else's presence is renewed.
func TestWhatDoesNotChangeIsRenewed(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "phone", domain.Busy, "calling"))
		seen.Known(bea)
		seen.Synced()
		s.shows(t, users{anna: "busy calling", bea: "unavailable"})
		before, _ := s.store.Presences(anna).On(chat)
		time.Sleep(5 * 24 * time.Hour)
		synctest.Wait()
		now := clock.New().Now()
		for _, user := range []domain.UserID{anna, bea} {
			if p, _ := s.store.Presences(user).On(chat); p.Updated < now.Add(-24*time.Hour) {
				t.Errorf("%s was last updated %v ago", user, time.Duration(now-p.Updated))
			}
		}
		if after, _ := s.store.Presences(anna).On(chat); after.Revision != before.Revision || after.Since != before.Since {
			t.Errorf("a renewal has made %+v of %+v", after, before)
		}
	})
}

// TestOnlyTheHolderOfTheLeaseCollects: no Run begins before the lease is there; when it is lost, the Run ends and writes nothing any more,
// not even what it has seen last.
func TestOnlyTheHolderOfTheLeaseCollects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control := gomock.NewController(t)
		store, leases, source := coretest.Start(t), mocks.NewMockLeases(control), mocks.NewMockSource(control)
		give, runs := make(chan struct{}), make(chan ports.Observer)
		ctx, cancel := context.WithCancel(t.Context())
		lease, lose := context.WithCancelCause(ctx)
		leases.EXPECT().Hold(gomock.Any(), "xmpp", gomock.Any()).Do(func(ctx context.Context, _ string, work func(context.Context)) {
			<-give
			work(lease)
			<-ctx.Done()
		})
		source.EXPECT().Describe().Return(domain.Source{Protocol: chat, StaleAfter: staleAfter}).AnyTimes()
		source.EXPECT().Run(gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, seen ports.Observer) error {
			runs <- seen
			<-ctx.Done()
			seen.Report(online(anna, "phone", domain.Away, "too late"))
			return ctx.Err()
		})
		supervisor, err := app.NewSupervisor([]ports.Source{source}, store.Core, leases, clock.New(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); supervisor.Run(ctx) }()
		time.Sleep(time.Minute)
		select {
		case <-runs:
			t.Fatal("the source runs without the lease")
		default:
		}
		close(give)
		seen := <-runs
		seen.Report(online(anna, "phone", domain.Busy, "calling"))
		synctest.Wait()
		lose(ports.ErrLeaseLost)
		synctest.Wait()
		if p, _ := store.Presences(anna).On(chat); p.Status != domain.Busy || p.Message != "calling" || p.Stale {
			t.Errorf("after the lease was lost the store has %+v, want what was there before", p)
		}
		cancel()
		<-ended
	})
}
