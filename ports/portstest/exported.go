package portstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Outbox = (*exporting)(nil)

// exporting is a Run of an exporter, and its outbox.
type exporting struct {
	running

	stage    ExporterStage
	exporter ports.Exporter
	new      chan struct{} // holds a token while there may be news

	news         []ports.News
	over         error // what Next returns when there are no news
	states       map[domain.UserID]domain.State
	halted       bool
	revision     domain.Revision
	told         map[domain.UserID]bool // that the receiver knows before it is told
	acknowledged []ports.Mark
	given        []ports.Mark
}

// export begins a Run.
func export(ctx context.Context, t testing.TB, s ExporterStage, exporter ports.Exporter) *exporting {
	t.Helper()
	e := &exporting{
		running: running{name: "Run", wait: patience}, stage: s, exporter: exporter,
		new: make(chan struct{}, 1), states: make(map[domain.UserID]domain.State), told: make(map[domain.UserID]bool),
	}
	e.begin(ctx, t, func(ctx context.Context) error { return exporter.Run(ctx, e) })
	return e
}

// Next implements ports.Outbox.
func (e *exporting) Next(ctx context.Context) (news ports.News, err error) {
	for {
		found := false
		e.note("Next", func() {
			if err = cmp.Or(ctx.Err(), e.over); err == nil && len(e.news) > 0 {
				news, e.news, found = e.news[0], e.news[1:], true
			}
		})
		if found || err != nil {
			return news, err
		}
		select {
		case <-e.new:
		case <-ctx.Done():
			return news, ctx.Err()
		}
	}
}

// State implements ports.Outbox.
func (e *exporting) State(user domain.UserID) (state domain.State, ok bool) {
	e.note("State", func() { state, ok = e.states[user], !e.halted })
	return state, ok
}

// halt has State say that nothing may be told, or that it may.
func (e *exporting) halt(halted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.halted = halted
}

// Acknowledge implements ports.Outbox.
func (e *exporting) Acknowledge(mark ports.Mark) {
	e.note("Acknowledge", func() {
		at := slices.Index(e.given, mark)
		if at < 0 || len(e.acknowledged) > 0 && at < slices.Index(e.given, e.acknowledged[len(e.acknowledged)-1]) {
			e.t.Errorf("%+v is acknowledged, which was not given, or before %+v", mark, e.acknowledged)
		}
		e.acknowledged = append(e.acknowledged, mark)
	})
}

// give changes the status of users, and gives that as news.
func (e *exporting) give(t testing.TB, status domain.Status, users ...string) ports.Mark {
	t.Helper()
	return e.add(ports.News{}, status, users...)
}

// giveTold is give of what the receiver knows.
func (e *exporting) giveTold(t testing.TB, status domain.Status, users ...string) ports.Mark {
	t.Helper()
	return e.add(ports.News{Told: true}, status, users...)
}

func (e *exporting) add(news ports.News, status domain.Status, users ...string) ports.Mark {
	e.mu.Lock()
	for _, name := range users {
		e.revision++
		user := domain.UserID(name + "@example.test")
		state := domain.State{User: user, Revision: e.revision, Unified: domain.Unified{Status: status, By: domain.MustProtocol("xmpp")}}
		e.states[user], e.told[user] = state, news.Told
		news.States = append(news.States, state)
	}
	e.revision++ // of somebody else
	news.Mark = ports.Mark{Revision: e.revision}
	e.news, e.given = append(e.news, news), append(e.given, news.Mark)
	e.mu.Unlock()
	e.wake()
	return news.Mark
}

func (e *exporting) wake() {
	select {
	case e.new <- struct{}{}:
	default:
	}
}

// last returns the last mark that was acknowledged.
func (e *exporting) last() ports.Mark {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.acknowledged) == 0 {
		return ports.Mark{}
	}
	return e.acknowledged[len(e.acknowledged)-1]
}

func (e *exporting) awaitAcknowledged(t testing.TB, mark ports.Mark) {
	t.Helper()
	e.awaitThat(t, func() (bool, string) {
		later := slices.ContainsFunc(e.acknowledged, func(m ports.Mark) bool { return m.Revision >= mark.Revision })
		return later, fmt.Sprintf("%+v is not acknowledged, but %+v", mark, e.acknowledged)
	})
}

// awaitTold waits until the receiver knows what all users are. It fails if a receiver was told an older state after a newer one.
func (e *exporting) awaitTold(t testing.TB) {
	t.Helper()
	older := ""
	e.awaitThat(t, func() (bool, string) {
		knows := map[domain.UserID]domain.State{}
		for _, state := range e.stage.Told() {
			if before := knows[state.User]; before.Revision > state.Revision {
				older = fmt.Sprintf("%s was told with revision %d after %d", state.User, state.Revision, before.Revision)
				return true, older
			}
			knows[state.User] = state
		}
		for user, state := range e.states {
			if told, is := knows[user]; (!is || told.Unified.Status != state.Unified.Status) && !e.told[user] {
				return false, fmt.Sprintf("%s is %s, and the receiver was told %s, revision %d of %d", user, state.Unified.Status, told.Unified.Status, told.Revision, state.Revision)
			}
		}
		return len(e.news) == 0, "there are news that were not asked for"
	})
	if older != "" {
		t.Error(older)
	}
}

// stop ends the context, and waits for Run to end as it should.
func (e *exporting) stop(t testing.TB) {
	t.Helper()
	e.cancel()
	err := e.returned(t, stopWithin)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, want the context's error", err)
	}
	for _, secret := range e.stage.Secrets {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("an error contains a secret: %v", err)
		}
	}
	e.nothingLeft(t)
}
