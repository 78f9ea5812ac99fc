package caldav

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// On real servers: who has an event is shown, what is changed shows, and what does not count is not.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, start := range bothServers {
		server := start(t)
		t.Run(server.name, func(t *testing.T) {
			server.makeCalendar(t, "alice", "work", "VEVENT")
			server.makeCalendar(t, "alice", "private", "VEVENT")
			server.makeCalendar(t, "alice", "tasks", "VTODO")
			source, log := newTestSource(t, namesOf(alice), func(c *Config) {
				c.URL, c.Homes, c.Message = "http://"+server.address, server.home, MessageTitle
			})
			observer := runSource(t, source)
			eventually(t, "it is in sync", observer.isSynced)

			server.put(t, "alice", "1", around(time.Hour, time.Hour, "SUMMARY:Plans\\, ☕ & <more>"))
			if r := observer.shows(t, alice.User, domain.Busy); r.Message != "Plans, ☕ & <more>" || r.Activity != domain.Meeting || r.Until == 0 {
				t.Errorf("in a meeting she is %+v", r)
			}
			server.put(t, "alice", "1", around(time.Hour, time.Hour, "SUMMARY:Plans\nTRANSP:TRANSPARENT"))
			observer.shows(t, alice.User, domain.Unavailable)

			// A series that began long ago, with an exception now, and then without.
			begun := time.Now().UTC().Add(-30 * time.Minute)
			series := "SUMMARY:Weekly\nDTSTART:" + begun.AddDate(-3, 0, 0).Format("20060102T150405Z") + "\nDURATION:PT1H\nRRULE:FREQ=DAILY\n"
			server.put(t, "alice", "2", series)
			observer.shows(t, alice.User, domain.Busy)
			server.put(t, "alice", "2", series+"EXDATE:"+begun.Format("20060102T150405Z"))
			observer.shows(t, alice.User, domain.Unavailable)
			server.remove(t, "alice", "2")

			server.do(t, "alice", http.MethodPut, server.path("alice", "private/3.ics"),
				calendarText("UID:3\nDTSTART;VALUE=DATE:"+time.Now().AddDate(0, 0, -1).Format("20060102")+"\nDTEND;VALUE=DATE:"+time.Now().AddDate(0, 0, 2).Format("20060102")))
			if r := observer.shows(t, alice.User, domain.Away); r.Activity != domain.Vacation {
				t.Errorf("on holiday she is %+v", r)
			}
			observer.stop()
			for line := range strings.Lines(log.String()) { // a busy machine looks less often than every few milliseconds
				if strings.Contains(line, "WARN") && !strings.Contains(line, "looked at less often") {
					t.Errorf("the log is %s", log)
				}
			}
		})
	}
}

// Who gets a calendar name is shown, and who loses it is forgotten.
func TestIdentitiesChange(t *testing.T) {
	t.Parallel()
	server := startRadicale(t)
	for _, user := range []string{"alice", "Bob"} {
		server.makeCalendar(t, user, "work", "VEVENT")
		server.put(t, user, "1", around(time.Hour, time.Hour, ""))
	}
	identities := namesOf(alice)
	source, log := newTestSource(t, identities, func(c *Config) { c.URL = "http://" + server.address })
	observer := runSource(t, source)
	observer.shows(t, alice.User, domain.Busy)
	identities.set(alice, bob, domain.Name{Text: "nobody", User: "nobody@example.test"})
	if r := observer.shows(t, bob.User, domain.Busy); r.Message != "In a meeting" {
		t.Errorf("he is %+v", r)
	}
	eventually(t, "the log names who has no calendar", func() bool { return strings.Contains(log.String(), "user=nobody@example.test") })
	identities.set(bob)
	eventually(t, "alice is forgotten", func() bool { return observer.get(alice.User) == domain.Report{} })
	observer.shows(t, bob.User, domain.Busy)
}

// A server that is killed and comes back changes nothing for those who are in a meeting, and what was changed meanwhile shows.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := startRadicale(t)
	server.makeCalendar(t, "alice", "work", "VEVENT")
	server.put(t, "alice", "1", around(time.Hour, time.Hour, ""))
	source, log := newTestSource(t, namesOf(alice), func(c *Config) { c.URL = "http://" + server.address })
	observer := runSource(t, source)
	observer.shows(t, alice.User, domain.Busy)
	eventually(t, "it is in sync", observer.isSynced)
	server.process.Kill()
	eventually(t, "the server is missed", func() bool { return strings.Contains(log.String(), "does not answer") })
	if r := observer.get(alice.User); r.Status != domain.Busy {
		t.Errorf("without the server she is %+v", r)
	}
	server.start(t)
	server.remove(t, "alice", "1")
	observer.shows(t, alice.User, domain.Unavailable)
	server.process.Freeze()
	defer server.process.Thaw()
	eventually(t, "the server is missed again", func() bool {
		return strings.Contains(log.String(), "in time")
	})
}
