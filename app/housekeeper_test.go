package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

const retain = 30 * 24 * time.Hour

var (
	byHand  = domain.MustProtocol("manual")
	forGood = domain.ExpiryPolicy{Vanishes: true} // manual's
)

// keeping runs test in fake time with a housekeeper at work, whose log it returns.
func keeping(t *testing.T, prepare func(*testing.T, *coretest.Core),
	test func(t *testing.T, store *coretest.Core, log *bytes.Buffer),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, log := coretest.Start(t), new(bytes.Buffer)
		prepare(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		logger := slog.New(slog.NewTextHandler(log, nil))
		running.Go(func() { app.NewHousekeeper(store.Core, memory.NewJournal(), clock.New(), retain, logger).Run(ctx) })
		synctest.Wait()
		test(t, store, log)
		cancel()
		running.Wait()
	})
}

// fill writes what each of some users has said long ago, and what their expiry has left since.
func fill(t *testing.T, store *coretest.Core, users int, p domain.Presence) {
	t.Helper()
	for first := 0; first < users; first += 1000 {
		var writes []image.Write
		for i := first; i < min(users, first+1000); i++ {
			user := domain.UserID(fmt.Sprintf("user%d@example.test", i))
			writes = append(writes, image.Write{User: user, Old: domain.Presence{Protocol: p.Protocol}, New: p})
		}
		if err := store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
}

func longAgo() domain.Timestamp { return clock.New().Now().Add(-2 * retain) }

// TestWhatHasNoEndIsKept: "busy" until it is cleared holds, however long ago it was said. What expiry has left says nothing any more.
func TestWhatHasNoEndIsKept(t *testing.T) {
	gone := domain.UserID("gone@example.test")
	keeping(t, func(t *testing.T, store *coretest.Core) {
		then := longAgo()
		set := domain.Presence{Protocol: byHand}.Observe(domain.Shown{Status: domain.Busy, Message: "on leave"}, forGood, then)
		hidden := domain.Presence{Protocol: byHand}.Observe(domain.Shown{Status: domain.Unavailable}, forGood, then)
		left := domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Busy}, spreed.Expiry, then)
		left = left.At(then.Add(time.Hour))
		err := store.Apply(t.Context(), image.Write{User: mark, Old: domain.Presence{Protocol: byHand}, New: set},
			image.Write{User: anna, Old: domain.Presence{Protocol: byHand}, New: hidden},
			image.Write{User: gone, Old: domain.Presence{Protocol: web}, New: left})
		if err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, store *coretest.Core, _ *bytes.Buffer) {
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		for _, user := range []domain.UserID{mark, anna} {
			if _, there := store.Presences(user).On(byHand); !there {
				t.Errorf("what %s has set for ever is gone", user)
			}
		}
		if store.Presences(gone) != nil {
			t.Errorf("what has expired long ago is still there: %+v", store.Presences(gone))
		}
	})
}

// TestRetentionRemovesATenthADay: with a clock that is wrong by more than store.retain everything is old.
func TestRetentionRemovesATenthADay(t *testing.T) {
	for _, test := range []struct{ users, aDay int }{{1500, 1000}, {20_000, 2000}} {
		t.Run(fmt.Sprint(test.users), func(t *testing.T) {
			keeping(t, func(t *testing.T, store *coretest.Core) {
				then := longAgo()
				fill(t, store, test.users, domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Unavailable}, spreed.Expiry, then))
			}, func(t *testing.T, store *coretest.Core, log *bytes.Buffer) {
				if left := store.Users(); left != test.users {
					t.Errorf("%d of %d users are left after the start: a clock that was wrong costs them", left, test.users)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				removed := test.users - store.Users()
				if removed > test.aDay || removed < test.aDay*9/10 {
					t.Errorf("%d of %d users were removed in a day, want %d", removed, test.users, test.aDay)
				}
				if !strings.Contains(log.String(), "presences=") || !strings.Contains(log.String(), fmt.Sprintf("waiting=%d", test.users-removed)) {
					t.Errorf("the log does not say how many were removed and how many wait:\n%s", log)
				}
			})
		})
	}
}

// TestTheOldestGoFirst: of what is too old.
func TestTheOldestGoFirst(t *testing.T) {
	keeping(t, func(t *testing.T, store *coretest.Core) {
		then := longAgo()
		fill(t, store, 1500, domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Unavailable}, spreed.Expiry, then))
		old := domain.Presence{Protocol: web}.Observe(domain.Shown{Status: domain.Unavailable}, spreed.Expiry, then.Add(-time.Hour))
		if err := store.Apply(t.Context(), image.Write{User: mark, Old: domain.Presence{Protocol: web}, New: old}); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, store *coretest.Core, _ *bytes.Buffer) {
		time.Sleep(time.Hour)
		synctest.Wait()
		if store.Presences(mark) != nil || store.Users() < 1400 {
			t.Errorf("after an hour %d users are left, and the oldest is %+v", store.Users(), store.Presences(mark))
		}
	})
}
