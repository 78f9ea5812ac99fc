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
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

// scripted is an exporter whose Run hands its outbox to the test, and returns what the test sends.
type scripted struct {
	about domain.Exporter
	runs  chan ports.Outbox
	fail  chan error
}

func newScripted(name string) *scripted {
	return &scripted{about: domain.Exporter{Name: name, Settings: 1}, runs: make(chan ports.Outbox), fail: make(chan error)}
}

func (s *scripted) Describe() domain.Exporter              { return s.about }
func (*scripted) Statistics() (s ports.ExporterStatistics) { return s }

func (s *scripted) Run(ctx context.Context, outbox ports.Outbox) error {
	select {
	case s.runs <- outbox:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-s.fail:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exportStage is exporters over a store, in fake time.
type exportStage struct {
	*testing.T
	store *coretest.Core
	all   *app.Exporters
	log   bytes.Buffer
	end   func()
}

func exported(t *testing.T, test func(s *exportStage)) {
	synctest.Test(t, func(t *testing.T) { test(&exportStage{T: t, store: coretest.Start(t)}) })
}

// begin runs exporters, with leases of a daemon that is alone, until end is called or the test ends.
func (s *exportStage) begin(exporters ...ports.Exporter) {
	s.beginWith(memory.NewJournal(), exporters...)
}

func (s *exportStage) beginWith(leases ports.Leases, exporters ...ports.Exporter) {
	s.Helper()
	s.all = app.NewExporters(s.store.Core, app.NewFeed(s.store.Core, clock.New(), domain.Precedence{}), leases, slog.New(slog.NewTextHandler(&s.log, nil)))
	s.configure(7, exporters...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.all.Run(ctx) })
	s.end = func() { cancel(); running.Wait() }
	s.Cleanup(s.end)
}

func (s *exportStage) configure(rules uint64, exporters ...ports.Exporter) {
	s.Helper()
	if err := s.all.Configure(exporters, rules); err != nil {
		s.Fatal(err)
	}
}

// set changes what a user says.
func (s *exportStage) set(user domain.UserID, status domain.Status) {
	s.Helper()
	s.store.Change(s.T, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: status, Message: fmt.Sprint("at ", s.store.Revision())}, domain.ExpiryPolicy{}, now)
	})
}

func (s *exportStage) remove(user domain.UserID) {
	s.Helper()
	s.store.Change(s.T, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence { return old.Remove(now) })
}

// next takes the next news, and compares them: "anna available, bea unavailable", with "told: " before it.
func (s *exportStage) next(outbox ports.Outbox, want string) ports.Mark {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	news, err := outbox.Next(ctx)
	var states []string
	for _, state := range news.States {
		name, _ := state.User.Split()
		states = append(states, strings.TrimSpace(name+" "+state.Unified.Status.String()))
	}
	got := strings.Join(states, ", ")
	if news.Told {
		got = "told: " + got
	}
	if err != nil || got != want {
		s.Errorf("the news are %q, %v; want %q", got, err, want)
	}
	return news.Mark
}

func (s *exportStage) nothingMore(outbox ports.Outbox) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	if news, err := outbox.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("there are news: %+v, %v", news, err)
	}
}

// state returns what is said of an exporter's state.
func (s *exportStage) state() string {
	s.Helper()
	synctest.Wait()
	statuses := s.all.Statuses()
	if len(statuses) != 1 {
		s.Fatalf("there are %d exporters", len(statuses))
	}
	return statuses[0].State.String()
}

func TestAnExporterIsGivenEverybodyAndThenWhatChanges(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.set(bea, domain.Away)
		s.set(anna, domain.Busy)
		s.set(carl, domain.Busy)
		s.remove(carl)
		s.begin(crm)
		outbox := <-crm.runs
		s.next(outbox, "bea away, anna busy, carl unavailable") // an earlier run may have told of carl, and not have lived to acknowledge it
		s.nothingMore(outbox)
		s.set(bea, domain.Busy)
		s.next(outbox, "bea busy")
		s.remove(bea)
		s.set(carl, domain.Away)
		s.set(carl, domain.Busy)
		s.next(outbox, "bea unavailable, carl busy")
		if state, ok := outbox.State(carl); !ok || state.Unified.Status != domain.Busy || state.Revision != s.store.Revision() {
			s.Errorf("State is %+v", state)
		}
		if s.state() != "running" {
			s.Errorf("it is %s", s.state())
		}
	})
}

// What was acknowledged is kept, and after a restart the exporter is given what has changed since, and everybody else as told.
func TestAnExporterGoesOnWhereItWas(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.set(anna, domain.Busy)
		s.set(bea, domain.Away)
		s.set(carl, domain.Away)
		s.begin(crm)
		outbox := <-crm.runs
		outbox.Acknowledge(s.next(outbox, "anna busy, bea away, carl away"))
		s.set(anna, domain.Available)
		s.next(outbox, "anna available") // which nobody acknowledges
		s.end()

		s.remove(bea)
		s.begin(crm)
		outbox = <-crm.runs
		s.next(outbox, "told: carl away")
		s.next(outbox, "anna available, bea unavailable")
		s.nothingMore(outbox)
		if s.end(); s.store.Position(domain.Exporter{Name: "webhook:crm", Settings: 1}) != 0 {
			s.Error("the position counts for other rules")
		}
	})
}

// Another receiver, or other rules, make an exporter begin anew.
func TestOtherSettingsBeginAnew(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.set(anna, domain.Busy)
		begin := func(want string) {
			s.Helper()
			s.begin(crm)
			outbox := <-crm.runs
			outbox.Acknowledge(s.next(outbox, want))
			s.end()
		}
		begin("anna busy")
		begin("told: anna busy")
		crm.about.Settings++
		begin("anna busy")
		begin("told: anna busy")
		crm.about.Name = "webhook:wiki"
		begin("anna busy")
	})
}

// Positions cost an entry every few seconds, however much is told, and none if nothing is.
func TestPositionsAreWrittenSeldom(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.begin(crm)
		outbox := <-crm.runs
		before := s.store.Journal.Appends.Load()
		for range 600 {
			s.set(anna, domain.Busy)
			s.set(anna, domain.Away)
			outbox.Acknowledge(s.next(outbox, strings.Repeat(", anna away", 1)[2:]))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if entries := s.store.Journal.Appends.Load() - before - 1200; entries < 2 || entries > 13 {
			s.Errorf("a minute of changes has made %d entries of positions", entries)
		}
	})
}

// Renew and other rules have everybody given anew. Until that is acknowledged, a restart under the new rules begins anew.
func TestEverybodyIsGivenAnew(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.set(anna, domain.Busy)
		s.begin(crm)
		outbox := <-crm.runs
		outbox.Acknowledge(s.next(outbox, "anna busy"))
		time.Sleep(10 * time.Second)
		go func() { time.Sleep(time.Second / 2); s.configure(8, crm) }()
		mark := s.next(outbox, "anna busy")
		s.all.Renew()
		s.set(bea, domain.Away)
		outbox.Acknowledge(mark)
		mark = s.next(outbox, "anna busy, bea away")
		time.Sleep(10 * time.Second)
		s.end()

		restarted := newScripted("webhook:crm")
		s.begin(restarted)
		s.end()
		s.all.Renew() // when nothing runs
		outbox.Acknowledge(mark)
		s.begin(restarted)
		s.next(<-restarted.runs, "told: anna busy") // by the rules of begin, which are those of before
		s.end()
	})
}

func TestAnExporterThatFailsIsRunAgain(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm := newScripted("webhook:crm")
		s.set(anna, domain.Busy)
		s.begin(crm)
		outbox := <-crm.runs
		outbox.Acknowledge(s.next(outbox, "anna busy"))
		crm.fail <- errors.New("out of order")
		if s.state() != "failing" {
			s.Errorf("it is %s", s.state())
		}
		began := time.Now()
		s.next(<-crm.runs, "told: anna busy")
		if waited := time.Since(began); waited < time.Second/2 || waited > time.Second {
			s.Errorf("it was run again after %v", waited)
		}
		crm.fail <- fmt.Errorf("%w: 410", ports.ErrDisabled)
		time.Sleep(24 * time.Hour)
		if s.state() != "disabled" {
			s.Errorf("it is %s", s.state())
		}
		s.configure(7, crm)
		s.next(<-crm.runs, "told: anna busy")
		if log := s.log.String(); strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, "out of order") || !strings.Contains(log, "exporter disabled") {
			s.Errorf("the log is %s", log)
		}
	})
}

// Exporters come, go and are replaced while others go on undisturbed.
func TestExportersComeAndGo(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm, wiki, other := newScripted("webhook:crm"), newScripted("webhook:wiki"), newScripted("webhook:crm")
		s.begin(crm)
		first := <-crm.runs
		s.next(first, "")
		s.configure(7, crm, wiki)
		<-wiki.runs
		s.configure(7, wiki, other)
		<-other.runs
		if _, err := first.Next(s.Context()); !errors.Is(err, ports.ErrWatchClosed) {
			s.Errorf("an outbox is open whose exporter is gone: %v", err)
		}
		if err := s.all.Configure([]ports.Exporter{crm, other}, 7); err == nil || !strings.Contains(err.Error(), "webhook:crm") {
			s.Errorf("two of one name: %v", err)
		}
		synctest.Wait()
		if all := s.all.Statuses(); len(all) != 2 || all[0].Name != "webhook:crm" || all[1].State != domain.ExporterRunning {
			s.Errorf("there are %+v", all)
		}
		s.configure(7)
		synctest.Wait()
		if all := s.all.Statuses(); len(all) != 0 {
			s.Errorf("there are %+v", all)
		}
	})
}

// Nothing runs before the lease is there, and when it is lost no position is written any more.
func TestOnlyTheHolderOfTheLeaseExports(t *testing.T) {
	exported(t, func(s *exportStage) {
		crm, leases := newScripted("webhook:crm"), mocks.NewMockLeases(gomock.NewController(s.T))
		give := make(chan struct{})
		lease, lose := context.WithCancelCause(context.Background())
		leases.EXPECT().Hold(gomock.Any(), "webhook.crm", gomock.Any()).Do(func(ctx context.Context, _ string, work func(context.Context)) {
			<-give
			work(lease)
			<-ctx.Done()
		})
		s.set(anna, domain.Busy)
		s.beginWith(leases, crm)
		time.Sleep(time.Minute)
		if s.state() != "standby" {
			s.Errorf("it is %s without the lease", s.state())
		}
		close(give)
		outbox := <-crm.runs
		outbox.Acknowledge(s.next(outbox, "anna busy"))
		before := s.store.Journal.Appends.Load()
		lose(ports.ErrLeaseLost)
		if s.state() != "standby" || s.store.Journal.Appends.Load() != before {
			s.Errorf("after the lease was lost it is %s, and %d entries were written", s.state(), s.store.Journal.Appends.Load()-before)
		}
		s.end()
	})
}
