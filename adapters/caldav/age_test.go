package caldav

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// knows waits until what the source knows is younger than an age, and its trouble has a text; an empty one is none.
func (r *running) knows(t testing.TB, younger time.Duration, trouble string) domain.Timestamp {
	t.Helper()
	eventually(t, "it knows what was so lately, with the trouble "+trouble, func() bool {
		asOf, err := r.age()
		return time.Since(asOf.Time()) < younger && (err == nil) == (trouble == "") && (err == nil || strings.Contains(err.Error(), trouble))
	})
	asOf, _ := r.age()
	return asOf
}

// People are told how old it is what calendars say: little while the server answers, more and more while it does not, and why.
func TestAge(t *testing.T) {
	t.Parallel()
	server := startRadicale(t)
	server.makeCalendar(t, "alice", "work", "VEVENT")
	source, _ := newTestSource(t, namesOf(alice), func(c *Config) { c.URL = "http://" + server.address })
	observer := runSource(t, source)
	first := observer.knows(t, 4*time.Second, "")
	eventually(t, "the age is told again", func() bool { asOf, _ := observer.age(); return asOf > first })
	server.process.Kill()
	killed := domain.TimestampOf(time.Now())
	if asOf := observer.knows(t, time.Minute, "the CalDAV server "+server.address+" does not answer"); asOf > killed.Add(source.config.Refresh) {
		t.Errorf("it knows at %v what was so after %v", asOf, killed)
	}
	server.start(t)
	observer.knows(t, 4*time.Second, "")
	if asOf, _ := observer.age(); asOf <= killed {
		t.Errorf("with the server it knows what was so at %v", asOf)
	}
}

// A calendar that cannot be read is trouble, and so is a pause; how old the others are counts.
func TestTrouble(t *testing.T) {
	t.Parallel()
	good, bad := startICS(t, false), startICS(t, false)
	good.answers(gives(calendarText(around(time.Hour, time.Hour, ""))))
	bad.answers(gives(calendarText(around(time.Hour, time.Hour, ""))))
	source, _ := newTestSource(t, namesOf(), func(c *Config) {
		icsConfig(good)(c)
		c.ICS = append(c.ICS, ICS{User: "bob@example.test", URL: setting.NewSecret(bad.URL + secretPath)})
	})
	observer := runSource(t, source)
	observer.shows(t, bob.User, domain.Busy)
	bad.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	failed := observer.knows(t, 4*time.Second, "some calendars cannot be read (1)")
	eventually(t, "the age is that of the other one", func() bool { asOf, _ := observer.age(); return asOf > failed.Add(2*time.Second) })
	bad.answers(http.NotFound)
	eventually(t, "what bob has shown is gone", func() bool { return observer.get(bob.User).Status == domain.Unavailable })
	observer.knows(t, 4*time.Second, "some calendars cannot be read (1)")
	bad.answers(gives(calendarText(around(time.Hour, time.Hour, ""))))
	observer.knows(t, 4*time.Second, "")

	tired := startICS(t, false)
	tired.answers(func(w http.ResponseWriter, r *http.Request) { multi(w, davHead+"</d:multistatus>") })
	source, _ = newTestSource(t, namesOf(alice), func(c *Config) { c.URL = tired.URL })
	observer = runSource(t, source)
	observer.knows(t, 4*time.Second, "")
	tired.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	observer.knows(t, time.Minute, "asks for a pause")
}
