package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// limited is a core for some users, whose limit logs in fake time.
type limited struct {
	*coretest.Core
	log bytes.Buffer // to be read when everything waits
}

func limitedTo(t *testing.T, most int, test func(t *testing.T, l *limited)) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{Core: coretest.Start(t)}
		l.Limits = app.NewCurrentLimits(app.Limits{Users: most})
		l.UserLimit = app.NewUserLimit(l.Image, l.Limits, slog.New(slog.NewTextHandler(&l.log, nil)))
		presence, err := app.NewPresence(l.Core.Core, l.Clock, []domain.ClientProtocol{{Protocol: coretest.Spreed}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.Presence, l.Backup = presence, app.NewBackup(l.Core.Core, clock.New(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.UserLimit.Run(ctx) })
		test(t, l)
		cancel()
		running.Wait()
	})
}

func (l *limited) set(ctx context.Context, users ...domain.UserID) error {
	var updates []domain.Update
	for _, user := range users {
		updates = append(updates, domain.Update{User: string(user), Protocol: "spreed", Status: "busy"}, domain.Update{User: string(user), Protocol: "spreed", Status: "busy", Device: "x"})
	}
	return l.Presence.Update(ctx, domain.Principal{Any: true}, updates)
}

// said waits, and counts how often a text was logged since it was asked last.
func (l *limited) said(wait time.Duration, text string) int {
	time.Sleep(wait)
	synctest.Wait()
	defer l.log.Reset()
	return strings.Count(l.log.String(), text)
}

const (
	nearly = "nine tenths of the users are there"
	full   = "there are as many users as there may be (store.max_users): new ones are refused"
)

// TestUsersAreLimited: those of all protocols together, also those that are not written yet.
func TestUsersAreLimited(t *testing.T) {
	limitedTo(t, 3, func(t *testing.T, l *limited) {
		runSupervisor(t, l.Core, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
			seen := <-s.runs
			seen.Connected()
			for _, user := range []domain.UserID{anna, bea, carl, "dora@example.test"} {
				if kept := seen.Known(user); kept != (user != "dora@example.test") {
					t.Errorf("%s is kept: %v", user, kept)
				}
			}
			if !seen.Report(online(bea, "x", domain.Busy, "")) || seen.Report(online("dora@example.test", "x", domain.Busy, "")) {
				t.Error("bea is not kept, or dora is")
			}
			seen.Synced()
			s.shows(t, users{anna: "unavailable", bea: "busy", carl: "unavailable"})
			if n := l.said(2*time.Second, full); n != 1 || seen.Known("dora@example.test") || !seen.Report(online(bea, "y", domain.Busy, "")) {
				t.Errorf("%d warnings; there is room for a user, or none for a device", n)
			}
			if err := l.set(t.Context(), "dora@example.test"); !errors.Is(err, ports.ErrFull) {
				t.Errorf("a client's new user: %v", err)
			}
			if err := l.set(t.Context(), anna); err != nil {
				t.Errorf("a client's user who is there: %v", err)
			}
			seen.Forget(carl)
			s.shows(t, users{anna: "unavailable", bea: "busy"})
			seen.Report(online("dora@example.test", "x", domain.Busy, ""))
			s.shows(t, users{anna: "unavailable", bea: "busy", "dora@example.test": "busy"})
		})
	})
}

// TestPlacesOfASourceThatEnds: who it has told of and not written leaves room for others.
func TestPlacesOfASourceThatEnds(t *testing.T) {
	limitedTo(t, 1, func(t *testing.T, l *limited) {
		runSupervisor(t, l.Core, domain.AbsentNothing, func(t *testing.T, s *stage) {
			seen := <-s.runs
			seen.Known(anna) // is never written
			if err := l.set(t.Context(), bea); !errors.Is(err, ports.ErrFull) {
				t.Errorf("while a source has the place: %v", err)
			}
		})
		if err := l.set(t.Context(), bea); err != nil {
			t.Errorf("when it has ended: %v", err)
		}
	})
}

// TestClientsAreLimited: all of a request or nothing; who is there goes on; who goes makes room.
func TestClientsAreLimited(t *testing.T) {
	limitedTo(t, 3, func(t *testing.T, l *limited) {
		if err := l.set(t.Context(), anna, bea); err != nil {
			t.Fatal(err)
		}
		if err := l.set(t.Context(), carl, "dora@example.test"); !errors.Is(err, ports.ErrFull) || !strings.Contains(err.Error(), "dora@example.test would be one too many") {
			t.Errorf("two, and there is room for one: %v", err)
		}
		if n := l.Users(); n != 2 {
			t.Errorf("%d users", n)
		}
		if err := errors.Join(l.set(t.Context(), carl), l.set(t.Context(), anna, bea, carl)); err != nil {
			t.Error(err)
		}
		if _, err := l.Backup.Import(t.Context(), domain.Principal{}, []domain.Change{{User: "dora@example.test", Presence: domain.Presence{Protocol: chat, Updated: 1}}}); !errors.Is(err, ports.ErrFull) {
			t.Errorf("import: %v", err)
		}
		remove := []domain.Update{{User: string(anna), Protocol: "spreed", Remove: true}}
		if err := errors.Join(l.Presence.Update(t.Context(), domain.Principal{User: anna}, remove), l.set(t.Context(), "dora@example.test")); err != nil {
			t.Errorf("when one has gone: %v", err)
		}
		l.Limits.Set(app.Limits{Users: 2})
		if err := errors.Join(l.set(t.Context(), bea, carl, "dora@example.test")); err != nil {
			t.Errorf("with a smaller limit those who are there: %v", err)
		}
		l.Limits.Set(app.Limits{})
		if err := l.set(t.Context(), anna); err != nil {
			t.Errorf("without a limit: %v", err)
		}
		if updates, reports := l.UserLimit.Refused(); updates != 2 || reports != 0 {
			t.Errorf("%d updates are refused, %d reports dropped", updates, reports)
		}
	})
}

// TestManyNewUsersAtOnce has a hundred new users for ten places, all of them on their way to the journal together.
func TestManyNewUsersAtOnce(t *testing.T) {
	limitedTo(t, 10, func(t *testing.T, l *limited) {
		var clients sync.WaitGroup
		var refused atomic.Int64
		for i := range 100 {
			clients.Go(func() {
				if err := l.set(t.Context(), domain.UserID(fmt.Sprintf("u%d@example.test", i))); errors.Is(err, ports.ErrFull) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if n := l.Users(); n > 10 || n < 1 || int(refused.Load()) != 100-n {
			t.Errorf("%d users, %d refused", n, refused.Load())
		}
		for i := 0; l.Users() < 10; i++ { // those who were refused because others were on their way
			if err := l.set(t.Context(), domain.UserID(fmt.Sprintf("u%d@example.test", i))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTheLimitIsLogged: at nine tenths once, and again after it was below; who is refused at most once a minute.
func TestTheLimitIsLogged(t *testing.T) {
	limitedTo(t, 10, func(t *testing.T, l *limited) {
		name := func(i int) domain.UserID { return domain.UserID(fmt.Sprintf("u%d@example.test", i)) }
		for i := range 8 {
			_ = l.set(t.Context(), name(i))
		}
		if n := l.said(5*time.Second, nearly); n != 0 {
			t.Errorf("%d lines with eight of ten", n)
		}
		_ = l.set(t.Context(), name(8))
		if n := l.said(time.Hour, nearly); n != 1 {
			t.Errorf("%d lines with nine of ten, want 1", n)
		}
		_ = l.Presence.Update(t.Context(), domain.Principal{Any: true}, []domain.Update{{User: string(name(8)), Protocol: "spreed", Remove: true}})
		_ = l.said(5*time.Second, nearly)
		_ = l.set(t.Context(), name(8), name(9))
		if n := l.said(5*time.Second, nearly); n != 1 {
			t.Errorf("%d lines the second time, want 1", n)
		}
		time.Sleep(time.Second / 2) // so that updates come between two looks, and none at the moment of one
		for range 150 {             // seconds
			_ = l.set(t.Context(), name(10))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if log := l.log.String(); strings.Count(log, full) != 3 || !strings.Contains(log, "updates_refused=60 ") {
			t.Errorf("two and a half minutes of refusals:\n%s", log)
		}
	})
}
