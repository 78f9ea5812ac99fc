package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/mocks"
)

// is checks how the only source is doing, and returns it.
func (s *stage) is(t *testing.T, state domain.SourceState, users int, why string) domain.SourceStatus {
	t.Helper()
	synctest.Wait()
	statuses := s.supervisor.Statuses()
	if len(statuses) != 1 || statuses[0].Protocol != chat {
		t.Fatalf("the statuses are %+v, want one of %s", statuses, chat)
	}
	got := statuses[0]
	if got.State != state || got.Users != users || got.Error != why {
		t.Errorf("the source is %+v, want %s with %d users and the error %q", got, state, users, why)
	}
	if waits := state == domain.SourceWaiting || state == domain.SourceRejected; waits != !got.RetryAt.IsZero() || waits && got.RetryAt < got.Since {
		t.Errorf("the source is %s since %s and will try again at %s", got.State, got.Since, got.RetryAt)
	}
	return got
}

// TestTheStatusFollowsTheSource goes through the life of a source.
func TestTheStatusFollowsTheSource(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		synctest.Wait()
		began := clock.New().Now()
		if got := s.is(t, domain.SourceConnecting, 0, ""); got.Since != began {
			t.Errorf("connecting since %s, want %s", got.Since, began)
		}
		seen := <-s.runs
		time.Sleep(time.Second)
		seen.Connected()
		if got := s.is(t, domain.SourceConnected, 0, ""); got.Since != began.Add(time.Second) {
			t.Errorf("connected since %s, want a second after %s", got.Since, began)
		}
		seen.Report(online(anna, "phone", domain.Busy, ""))
		seen.Known(bea)
		time.Sleep(100 * time.Millisecond)
		s.is(t, domain.SourceConnected, 2, "")
		seen.Synced()
		time.Sleep(100 * time.Millisecond)
		s.is(t, domain.SourceSynced, 2, "")
		seen.AsOf(began, errors.New("it does not answer"))
		if got := s.is(t, domain.SourceSynced, 2, "it does not answer"); got.AsOf != began {
			t.Errorf("all is as of %s, want %s", got.AsOf, began)
		}
		seen.AsOf(began.Add(time.Second), nil)
		seen.Forget(bea)
		time.Sleep(100 * time.Millisecond)
		s.is(t, domain.SourceSynced, 1, "")
		s.counts(t, began.Add(time.Second), began.Add(1100*time.Millisecond), 1, 1)

		s.lose <- errors.New("the link broke")
		lost := s.is(t, domain.SourceWaiting, 0, "the link broke")
		if lost.AsOf != 0 {
			t.Errorf("without a connection all is as of %s", lost.AsOf)
		}
		<-s.runs
		s.counts(t, 0, began.Add(1100*time.Millisecond), 1, 1)
		if got := s.is(t, domain.SourceConnecting, 0, "the link broke"); got.Since != lost.RetryAt {
			t.Errorf("connecting since %s, announced was %s", got.Since, lost.RetryAt)
		}
		s.lose <- fmt.Errorf("%w: wrong password", ports.ErrRejected)
		rejected := s.is(t, domain.SourceRejected, 0, "rejected by the server: wrong password")
		if pause := time.Duration(rejected.RetryAt - rejected.Since); pause < time.Minute {
			t.Errorf("rejected, and tried again after %v", pause)
		}
		seen = <-s.runs
		seen.Connected()
		s.counts(t, clock.New().Now(), began.Add(1100*time.Millisecond), 2, 1)
		s.is(t, domain.SourceConnected, 0, "")
	})
}

// counts checks what is counted of the only source, and what is remembered.
func (s *stage) counts(t *testing.T, connected, synced domain.Timestamp, connections, reports uint64) {
	t.Helper()
	got := s.supervisor.Statuses()[0]
	if got.Connected != connected || got.Synced != synced || got.Connections != connections || got.Reports != reports {
		t.Errorf("the source is %+v, want connected since %s, in sync at %s, %d connections, %d reports", got, connected, synced, connections, reports)
	}
}

// TestSourcesOfOtherDaemonsAreOnStandby: until the lease is there, and once it is lost. Statuses come in the order of names.
func TestSourcesOfOtherDaemonsAreOnStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control := gomock.NewController(t)
		leases := mocks.NewMockLeases(control)
		begin, end := make(chan struct{}), make(chan struct{})
		leases.EXPECT().Hold(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _ string, work func(context.Context)) {
			<-begin
			held, lose := context.WithCancelCause(ctx)
			go func() { <-end; lose(ports.ErrLeaseLost) }()
			work(held)
			<-ctx.Done()
		}).Times(2)
		var sources []ports.Source
		for _, name := range []string{"xmpp", "irc"} {
			source := mocks.NewMockSource(control)
			source.EXPECT().Describe().Return(domain.Source{Protocol: domain.MustProtocol(name), StaleAfter: staleAfter}).AnyTimes()
			source.EXPECT().Run(gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, seen ports.Observer) error {
				seen.Connected()
				seen.Report(online(anna, "phone", domain.Busy, ""))
				seen.Synced()
				<-ctx.Done()
				return ctx.Err()
			})
			sources = append(sources, source)
		}
		store := coretest.Start(t)
		supervisor, err := app.NewSupervisor(sources, store.Core, leases, clock.New(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		are := func(state domain.SourceState, users int) {
			t.Helper()
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			var names []string
			for _, status := range supervisor.Statuses() {
				names = append(names, status.Protocol.String())
				if status.State != state || status.Users != users || status.Error != "" || status.Since.IsZero() {
					t.Errorf("%+v, want %s with %d users", status, state, users)
				}
			}
			if !slices.Equal(names, []string{"irc", "xmpp"}) {
				t.Errorf("statuses of %v", names)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); supervisor.Run(ctx) }()
		are(domain.SourceStandby, 0)
		close(begin)
		are(domain.SourceSynced, 1)
		close(end)
		are(domain.SourceStandby, 0)
		cancel()
		<-ended
	})
}
