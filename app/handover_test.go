package app_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

// takenOver is a supervisor that takes over from another daemon, which has seen three users.
func takenOver(t *testing.T, test func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		for user, status := range map[domain.UserID]domain.Status{anna: domain.Busy, bea: domain.Available, carl: domain.Unavailable} {
			store.Change(t, user, chat, func(old domain.Presence, now domain.Timestamp) domain.Presence {
				return old.Observe(domain.Shown{Status: status}, domain.ExpiryPolicy{}, now)
			})
		}
		runSupervisor(t, store, domain.AbsentUnavailable, test)
	})
}

// TestAHandoverIsNoChange: whoever the new holder of the lease sees at once was never stale, and nobody is told anything.
func TestAHandoverIsNoChange(t *testing.T) {
	takenOver(t, func(t *testing.T, s *stage) {
		seen, before := <-s.runs, s.store.Revision()
		seen.Connected()
		time.Sleep(2 * time.Second)
		seen.Report(online(anna, "x", domain.Busy, ""))
		seen.Report(online(bea, "x", domain.Available, ""))
		time.Sleep(10 * time.Second)
		seen.Synced()
		s.shows(t, users{anna: "busy", bea: "available", carl: "unavailable"})
		if made := s.store.Revision() - before; made != 0 {
			t.Errorf("a handover has made %d changes", made)
		}
	})
}

// TestWhatIsNotConfirmedIsStale: after five seconds, also if there is no connection, and at once if that is lost or refused.
func TestWhatIsNotConfirmedIsStale(t *testing.T) {
	unconfirmed := users{anna: "busy (stale)", bea: "available (stale)", carl: "unavailable"}
	takenOver(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		seen.Report(online(anna, "x", domain.Busy, ""))
		time.Sleep(4800 * time.Millisecond)
		s.shows(t, users{anna: "busy", bea: "available", carl: "unavailable"})
		time.Sleep(time.Second)
		s.shows(t, users{anna: "busy", bea: "available (stale)", carl: "unavailable"})
		seen.Report(online(bea, "x", domain.Available, ""))
		s.shows(t, users{anna: "busy", bea: "available", carl: "unavailable"})
	})
	takenOver(t, func(t *testing.T, s *stage) {
		<-s.runs // and does not connect
		time.Sleep(6 * time.Second)
		s.shows(t, unconfirmed)
	})
	takenOver(t, func(t *testing.T, s *stage) {
		began := time.Now()
		for <-s.runs; time.Since(began) < 4800*time.Millisecond; <-s.runs {
			s.shows(t, users{anna: "busy", bea: "available", carl: "unavailable"})
			s.lose <- errors.New("connection refused")
		}
		time.Sleep(time.Until(began.Add(5 * time.Second)))
		s.shows(t, unconfirmed)
	})
	takenOver(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		s.lose <- errors.New("connection reset")
		s.shows(t, users{anna: "busy (stale)", bea: "available (stale)", carl: "unavailable (stale)"})
	})
}
