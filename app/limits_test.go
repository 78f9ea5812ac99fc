package app_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// What the limits count for a user and for a device besides names and messages.
const (
	userOverhead   = 400
	deviceOverhead = 100
)

func numbered(name string, i int) domain.UserID {
	return domain.UserID(fmt.Sprintf("%s%d@example.test", name, i))
}

// kept returns how many users of the source have a device, how many of them a message, and the bytes of ids and messages of all users.
func (s *stage) kept() (users, online, messages, bytes int) {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	s.store.Each(func(user domain.UserID, ps domain.Presences) bool {
		p, there := ps.On(chat)
		if !there {
			return true
		}
		users++
		bytes += len(user) + len(p.Message)
		if p.Status != domain.Unavailable {
			online++
		}
		if p.Message != "" {
			messages++
		}
		return true
	})
	return users, online, messages, bytes
}

// warnings returns how often the log says that not everything is kept.
func (s *stage) warnings() int {
	return strings.Count(s.log.String(), "the source shows more than is kept")
}

// TestBytesOfASource: more than the limit is not kept: at first no messages, then no devices and users, with one line in the log. What goes
// makes room.
func TestBytesOfASource(t *testing.T) {
	const most = 100_000
	supervisedWithin(t, app.Limits{SourceBytes: most}, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		message := strings.Repeat("x", domain.MaxMessage+100)
		for i := range 1000 {
			seen.Report(online(numbered("u", i), "x", domain.Available, message))
		}
		seen.Synced()
		users, reachable, messages, bytes := s.kept()
		if messages != most*3/4/(domain.MaxMessage+userOverhead+deviceOverhead+17) || users != reachable || users <= messages+20 || users > 100 || bytes > most {
			t.Errorf("%d users, %d online, %d with a message, %d bytes", users, reachable, messages, bytes)
		}
		more := 0
		for seen.Report(online(numbered("u", more), "more", domain.Available, "")) {
			more++
		}
		if s.warnings() != 1 || seen.Report(online(numbered("u", 999), "x", domain.Available, "")) || more > 6 {
			t.Errorf("%d warnings, and there was room for %d devices or for a user", s.warnings(), more)
		}
		seen.Report(online(numbered("u", 0), "x", domain.Busy, "")) // whoever is there can still change
		s.kept()
		if p, _ := s.store.Presences(numbered("u", 0)).On(chat); p.Status != domain.Busy {
			t.Errorf("u0 is %v, want busy", p.Status)
		}
		for i := range users { // those that came first
			seen.Report(online(numbered("u", i), "", domain.Unavailable, ""))
		}
		if _, reachable, messages, _ = s.kept(); reachable != 0 || messages != 0 {
			t.Errorf("%d are online, %d have a message", reachable, messages)
		}
		room := seen.Report(online(numbered("u", 0), "x", domain.Available, "short"))
		s.kept()
		if p, _ := s.store.Presences(numbered("u", 0)).On(chat); p.Message != "short" || !room {
			t.Errorf("there is room again, but u0 says %q; kept: %v", p.Message, room)
		}
		for i := range 1000 {
			seen.Forget(numbered("u", i))
		}
		if users, _, _, _ = s.kept(); users != 0 {
			t.Errorf("%d users are left", users)
		}
		for i := range 50 {
			seen.Report(online(numbered("v", i), "x", domain.Available, ""))
		}
		if users, _, _, _ = s.kept(); users != 50 {
			t.Errorf("%d users are kept, want 50", users)
		}
	})
}

// TestBytesOverConnections: however often a server ends the link and shows others then, no more of them are kept.
func TestBytesOverConnections(t *testing.T) {
	const most = 50_000
	for _, message := range []string{"", strings.Repeat("x", 1000)} {
		supervisedWithin(t, app.Limits{SourceBytes: most}, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
			var seen ports.Observer
			for connection := range 10 {
				seen = <-s.runs
				seen.Connected()
				for i := range 30 {
					seen.Report(online(numbered(fmt.Sprint("u", connection, "-"), i), "x", domain.Busy, message))
					seen.Known(numbered(fmt.Sprint("c", connection, "-"), i))
				}
				if connection%3 == 2 { // else it never tells all
					seen.Synced()
				}
				users, _, _, bytes := s.kept()
				if users > most/userOverhead || users*userOverhead+bytes > most {
					t.Fatalf("connection %d: %d users, %d bytes", connection, users, bytes)
				}
				if s.warnings() > connection+1 {
					t.Fatalf("%d warnings after %d connections", s.warnings(), connection+1)
				}
				s.lose <- fmt.Errorf("connection reset")
			}
			if users, _, _, _ := s.kept(); users < 20 {
				t.Errorf("%d users are kept", users)
			}
		})
	}
}

// TestMessagesOverConnections: what earlier connections have left in the image counts for as long as it is there.
func TestMessagesOverConnections(t *testing.T) {
	const most = 50_000
	supervisedWithin(t, app.Limits{SourceBytes: most}, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
		for connection := range 6 {
			seen := <-s.runs
			seen.Connected()
			for i := range 20*(connection/5) + 20*(1-min(connection, 1)) { // the first and the last one
				seen.Report(online(numbered(fmt.Sprint("u", connection, "-"), i), "x", domain.Busy, strings.Repeat("x", 1000)))
			}
			users, _, messages, bytes := s.kept()
			if messages < 20 || users*userOverhead+bytes > most {
				t.Fatalf("connection %d: %d users, %d messages, %d bytes", connection, users, messages, bytes)
			}
			s.lose <- fmt.Errorf("connection reset")
		}
	})
}

// TestForgottenWhileWritten: also who is forgotten while the first write is on its way is unknown in the end.
func TestForgottenWhileWritten(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		synctest.Wait()
		s.store.Journal.Before(1, func() error { seen.Forget(anna); return nil })
		seen.Report(online(anna, "x", domain.Busy, ""))
		s.shows(t, users{})
	})
}

// TestWhatIsInTheImageCounts: a daemon that starts, or takes over from another one, counts what the source has told there.
func TestWhatIsInTheImageCounts(t *testing.T) {
	const most = 50_000
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		store.Limits = app.NewCurrentLimits(app.Limits{SourceBytes: most})
		runSupervisor(t, store, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
			seen := <-s.runs
			seen.Connected()
			for i := range 60 {
				seen.Report(online(numbered("u", i), "x", domain.Busy, ""))
			}
			if users, _, _, _ := s.kept(); users != 60 {
				t.Errorf("%d users at first, want 60", users)
			}
		})
		runSupervisor(t, store, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
			seen := <-s.runs
			seen.Connected()
			for i := range 1000 {
				seen.Report(online(numbered("v", i), "x", domain.Busy, ""))
			}
			if users, _, _, _ := s.kept(); users <= 60 || users > most/userOverhead {
				t.Errorf("%d users after a restart, want more than 60 and at most %d", users, most/userOverhead)
			}
		})
	})
}

// TestDevicesOfAUserAreLimited: a further one takes the place of the one that has been quiet for longest.
func TestDevicesOfAUserAreLimited(t *testing.T) {
	const most = 3
	supervisedWithin(t, app.Limits{Devices: most}, domain.AbsentUnavailable, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		for i := range most {
			seen.Report(online(anna, fmt.Sprint("d", i), domain.Away, fmt.Sprint(i)))
		}
		seen.Report(online(anna, "d0", domain.Busy, "still here"))
		kept := seen.Report(online(anna, "new", domain.Away, "new"))
		s.shows(t, users{anna: "busy still here"})
		if !kept || s.warnings() != 0 {
			t.Errorf("the new device is kept: %v, %d warnings", kept, s.warnings())
		}
		seen.Report(online(anna, "d0", domain.Unavailable, ""))
		s.shows(t, users{anna: "away new"})
		seen.Report(online(anna, "new", domain.Unavailable, ""))
		s.shows(t, users{anna: "away 2"})
		seen.Report(online(anna, "d2", domain.Unavailable, ""))
		s.shows(t, users{anna: "unavailable"}) // d1 had to go
	})
}
