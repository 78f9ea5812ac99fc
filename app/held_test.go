package app_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// TestNothingExpiresThatOthersMayHaveRenewed: while the journal cannot be followed, what had not expired before is shown as it was, and stale. It
// expires once it is known that nobody has renewed it.
func TestNothingExpiresThatOthersMayHaveRenewed(t *testing.T) {
	expiring(t, func(t *testing.T, presence *app.Presence, store *coretest.Core) {
		feed := app.NewFeed(store.Core, clock.New(), nil)
		shows := func(when string, user domain.UserID, status domain.Status, stale bool) {
			t.Helper()
			for _, ids := range [][]string{{string(user)}, {string(user), "nobody@example.test"}} {
				answers, err := presence.Query(domain.Principal{}, ids, nil)
				if err != nil {
					t.Fatal(err)
				}
				if p, _ := answers[0].On(coretest.Spreed); p.Status != status || p.Stale != stale {
					t.Errorf("%s a query for %s is answered with %+v", when, user, p)
				}
			}
			states, _, err := feed.States(domain.Principal{}, []string{string(user)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if u := states[0].Unified; u.Status != status || u.Stale != stale {
				t.Errorf("%s the state of %s is %+v", when, user, u)
			}
		}
		beat(t, presence, anna, "busy")
		time.Sleep(time.Minute)
		beat(t, presence, bea, "busy")
		time.Sleep(time.Minute + 2*time.Second)
		following := feed.Follow()
		defer following.Close()
		next := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := following.Next(ctx)
			return err
		}
		store.Hold(clock.New().Now())
		store.Release()
		if err := next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after a gap in which nothing was shown as stale, Next = %v", err)
		}
		store.Hold(clock.New().Now()) // anna has expired, and bea has not
		changes := store.Revision()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		shows("without the journal", anna, domain.Unavailable, false)
		shows("without the journal", bea, domain.Busy, true)
		if made := store.Revision() - changes; made != 0 {
			t.Errorf("%d changes were made without the journal", made)
		}
		store.Release()
		if err := next(); !errors.Is(err, ports.ErrResumed) {
			t.Errorf("after a gap in which somebody was shown as stale, Next = %v", err)
		}
		time.Sleep(time.Second)
		shows("afterwards", bea, domain.Unavailable, false)
		if made := store.Revision() - changes; made != 1 {
			t.Errorf("%d changes were made afterwards, want one", made)
		}
	})
}
