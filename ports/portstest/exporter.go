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

// ExporterStage is what the suite needs of a kind of exporters: a receiver that it drives, and exporters that tell it what they are given, of everybody,
// whenever the status changes. What a function starts ends with the test at the latest.
type ExporterStage struct {
	Exporter    func(t testing.TB) ports.Exporter // tells the receiver
	Unreachable func(t testing.TB) ports.Exporter // nobody listens where it connects
	Silent      func(t testing.TB) ports.Exporter // its receiver takes the connection and never says anything
	Secrets     []string                          // what no error may contain

	Told   func() []domain.State // what the receiver has taken, in that order: the user, the revision and the unified status
	Refuse func(t testing.TB)    // from now on the receiver takes nothing, and says so
	Accept func(t testing.TB)    // from now on it takes everything again
}

// Exporter checks everything that ports.Exporter promises. It calls create once for each sentence of the contract. An exporter has to try again within
// ten seconds.
func Exporter(t *testing.T, create func(t testing.TB) ExporterStage) {
	run(t, exporterContract, create)
}

var exporterContract = []contract[ExporterStage]{
	{"an exporter has a name, and always describes itself alike", func(t testing.TB, s ExporterStage) {
		exporter := s.Exporter(t)
		about := exporter.Describe()
		if kind, name, _ := strings.Cut(about.Name, ":"); kind == "" || name == "" || len(about.Name) > domain.MaxExporterName {
			t.Errorf("its name is %q, want a kind, a colon and a name", about.Name)
		}
		if again := exporter.Describe(); again != about {
			t.Errorf("Describe = %+v, and then %+v", about, again)
		}
	}},
	{"everybody who is given is told, and every change that lasts", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.give(t, domain.Busy, "a", "b", "c")
		e.awaitTold(t)
		e.give(t, domain.Away, "b")
		e.awaitTold(t)
		e.give(t, domain.Unavailable, "a", "d")
		e.awaitTold(t)
		e.stop(t)
	}},
	{"no older state is told after a newer one", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		for i := range 300 {
			if e.give(t, domain.Status(i%4), fmt.Sprint("u", i%3)); i%25 == 0 {
				e.awaitTold(t)
			}
		}
		e.awaitTold(t)
		e.stop(t)
	}},
	{"what the receiver knows is not told again, and what changes of it is", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.giveTold(t, domain.Busy, "a", "b")
		e.give(t, domain.Away, "b")
		e.awaitTold(t)
		time.Sleep(quiet)
		if told := s.Told(); len(told) != 1 {
			t.Errorf("the receiver was told %d times, want once: %+v", len(told), told)
		}
		e.stop(t)
	}},
	{"what was told is acknowledged, and what needs not be told", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.awaitAcknowledged(t, e.give(t, domain.Busy, "a", "b"))
		e.awaitAcknowledged(t, e.giveTold(t, domain.Busy, "c"))
		e.awaitAcknowledged(t, e.give(t, domain.Busy, "c"))
		e.awaitAcknowledged(t, e.give(t, domain.Busy)) // nobody
		e.stop(t)
	}},
	{"nothing is acknowledged that the receiver has not taken", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		before := e.give(t, domain.Busy, "a")
		e.awaitAcknowledged(t, before)
		s.Refuse(t)
		e.give(t, domain.Away, "a")
		refused := e.give(t, domain.Busy, "b")
		time.Sleep(quiet)
		if got := e.last(); got != before {
			t.Errorf("%+v is acknowledged, want %+v", got, before)
		}
		if statistics := e.exporter.Statistics(); statistics.Failed == 0 || statistics.FailingSince.IsZero() || statistics.Waiting != 2 {
			t.Errorf("while the receiver takes nothing the statistics are %+v", statistics)
		}
		s.Accept(t)
		e.awaitTold(t)
		e.awaitAcknowledged(t, refused)
		if statistics := e.exporter.Statistics(); statistics.Told == 0 || !statistics.FailingSince.IsZero() || statistics.Waiting != 0 {
			t.Errorf("when it has taken all they are %+v", statistics)
		}
		e.stop(t)
	}},
	{"while the receiver takes nothing the outbox is asked on, and then it is told the latest", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.give(t, domain.Busy, "a", "b")
		e.awaitTold(t)
		s.Refuse(t)
		for i := range 202 { // at the end they are not what the receiver knows
			e.give(t, domain.Status(i%4), "a", "b")
		}
		e.awaitThat(t, func() (bool, string) {
			return len(e.news) == 0, fmt.Sprintf("%d news have not been asked for", len(e.news))
		})
		told := len(s.Told())
		s.Accept(t)
		e.awaitTold(t)
		e.stop(t)
		if more := len(s.Told()) - told; more > 4 {
			t.Errorf("202 changes of two users that were waiting made %d messages", more)
		}
	}},
	{"nothing is told while the outbox says so, and then it is", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.halt(true)
		e.give(t, domain.Busy, "a", "b")
		time.Sleep(quiet)
		if told := s.Told(); len(told) != 0 || e.last() != (ports.Mark{}) {
			t.Errorf("the receiver was told %+v, and %+v is acknowledged", told, e.last())
		}
		e.halt(false)
		e.awaitTold(t)
		e.stop(t)
	}},
	{"Run can be called again", func(t testing.TB, s ExporterStage) {
		exporter := s.Exporter(t)
		e := export(t.Context(), t, s, exporter)
		e.give(t, domain.Busy, "a")
		e.awaitTold(t)
		e.stop(t)
		again := export(t.Context(), t, s, exporter)
		again.revision = e.revision
		again.give(t, domain.Away, "a")
		again.awaitTold(t)
		again.stop(t)
	}},
	{"Run ends within a second of its context if there is nobody", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Unreachable(t))
		e.give(t, domain.Busy, "a")
		time.Sleep(quiet)
		e.stop(t)
	}},
	{"Run ends within a second of its context if the receiver says nothing", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Silent(t))
		e.give(t, domain.Busy, "a", "b")
		time.Sleep(quiet)
		e.stop(t)
	}},
	{"Run does nothing if its context has ended before", func(t testing.TB, s ExporterStage) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e := export(ctx, t, s, s.Exporter(t))
		e.give(t, domain.Busy, "a")
		e.stop(t)
		if told := s.Told(); len(told) != 0 {
			t.Errorf("the receiver was told %+v", told)
		}
	}},
	{"an outbox that has no news any more ends Run with its error", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.mu.Lock()
		e.over = errOver
		e.mu.Unlock()
		e.wake()
		if err := e.returned(t, e.wait); !errors.Is(err, errOver) {
			t.Errorf("Run = %v, want %v", err, errOver)
		}
	}},
	{"the outbox is not called any more when Run has returned", func(t testing.TB, s ExporterStage) {
		e := export(t.Context(), t, s, s.Exporter(t))
		e.give(t, domain.Busy, "a")
		e.stop(t)
		e.give(t, domain.Away, "a") // there would be something to tell
		time.Sleep(quiet)           // what is asked is a failure
	}},
}

var errOver = errors.New("there are no news any more")
