package caldav

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// tableOf makes identities of records.
func tableOf(t testing.TB, records ...domain.Identity) *app.Identities {
	t.Helper()
	table, err := domain.NewIdentities(records)
	if err != nil {
		t.Fatal(err)
	}
	return app.NewIdentities(table)
}

func calendarNames(names ...string) map[string][]string {
	return map[string][]string{Protocol.String(): names}
}

// On a real server who has a home is somebody by a name, by a pattern, or by the user's id. Others are nobody, and are listed as such. A home that comes
// later counts, too, and one that is gone does not.
func TestHomesOfPatterns(t *testing.T) {
	t.Parallel()
	server := startRadicale(t, "u12", "bob@example.test", "printer")
	people := map[string]domain.UserID{"alice": alice.User, "u12": "u12@example.test", "bob@example.test": bob.User}
	for name := range people {
		server.makeCalendar(t, name, "work", "VEVENT")
		server.put(t, name, "1", around(time.Hour, time.Hour, ""))
	}
	ids := tableOf(t, domain.Identity{User: string(alice.User), Names: calendarNames("ALICE")}, domain.Identity{User: string(bob.User)},
		domain.Identity{User: "u{number}@example.test", Names: calendarNames("u{number}")})
	source, log := newTestSource(t, ids, func(c *Config) { c.URL = "http://" + server.address })
	source.limits.listAgain = 100 * time.Millisecond
	observer := runSource(t, source)
	eventually(t, "it is in sync", observer.isSynced)
	for _, user := range people {
		if got := observer.get(user).Status; got != domain.Busy { // it was not in sync before everybody was looked at
			t.Errorf("%s is %v", user, got)
		}
	}
	if strings.Contains(log.String(), "does not list") || strings.Contains(log.String(), "no such calendar") {
		t.Errorf("the log is %s", log)
	}
	server.makeCalendar(t, "printer", "work", "VEVENT")
	eventually(t, "the printer is listed as nobody's", func() bool {
		names, _ := ids.Unmapped()
		return len(names) == 1 && names[0].Protocol == Protocol && names[0].Name == "printer"
	})
	server.do(t, "u12", http.MethodDelete, "/u12/", "")
	eventually(t, "u12 is forgotten", func() bool { return !observer.isKnown("u12@example.test") })
	observer.shows(t, bob.User, domain.Busy)
}

// A server that does not list who has calendars costs nobody anything, and the log says it once.
func TestHomesAreNotListed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusInternalServerError, http.StatusBadGateway} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/homes/":
				w.WriteHeader(status)
			case r.URL.Path != "/homes/alice/":
				multi(w, davHead+"</d:multistatus>")
			case r.Method == "PROPFIND":
				multi(w, listed(r.URL.Path+"work/", "1"))
			default:
				multi(w, davHead+"</d:multistatus>")
			}
		}))
		defer server.Close()
		source, log := newTestSource(t, namesOf(alice), func(c *Config) { c.URL, c.Homes = server.URL, "/homes/{user}/" })
		source.limits.listAgain = 20 * time.Millisecond
		observer := runSource(t, source)
		eventually(t, "it is in sync, and alice is known", func() bool { return observer.isSynced() && observer.isKnown(alice.User) })
		time.Sleep(5 * source.limits.listAgain)
		observer.stop()
		if strings.Count(log.String(), "does not list who has calendars") != 1 {
			t.Errorf("%d: the log is %s", status, log)
		}
	}
}

// Where nobody has a calendar the log says so, and the server's names are listed as nobody's.
func TestNobodyHasACalendar(t *testing.T) {
	t.Parallel()
	server := startRadicale(t)
	server.makeCalendar(t, "alice", "work", "VEVENT")
	ids := tableOf(t)
	source, log := newTestSource(t, ids, func(c *Config) { c.URL = "http://" + server.address })
	eventually(t, "it is in sync", runSource(t, source).isSynced)
	eventually(t, "the log says that nobody has a calendar", func() bool { return strings.Contains(log.String(), "nobody has a calendar") })
	if names, _ := ids.Unmapped(); len(names) != 1 || names[0].Name != "alice" {
		t.Errorf("%v are nobody's", names)
	}
}

// Of what a server lists, only what is a home in the right place has a name.
func TestListHomes(t *testing.T) {
	t.Parallel()
	const folder, file = `<d:collection/>`, ``
	entry := func(href, kind string) string {
		return `<d:response><d:href>` + href + `</d:href><d:propstat><d:status>HTTP/1.1 200 OK</d:status><d:prop><d:resourcetype>` + kind +
			`</d:resourcetype></d:prop></d:propstat></d:response>`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/dav/all/" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		multi(w, davHead+entry("/dav/all/", folder)+entry("/dav/all/cal-bob.d/", folder)+entry("/dav/all/cal-bob.d", folder)+entry("/dav/all/cal-%C3%BCn%C3%AF%20x.d/", folder)+
			entry("/dav/all/cal-file.d", file)+entry("/dav/all/other/", folder)+entry("/dav/all/cal-.d/", folder)+entry("/dav/all/cal-a%2Fb.d/", folder)+
			entry("/dav/all/cal-deep/x.d/", folder)+entry("https://elsewhere.test/dav/all/cal-eve.d/", folder)+entry("/elsewhere/cal-eve.d/", folder)+"</d:multistatus>")
	}))
	defer server.Close()
	source, _ := newTestSource(t, namesOf(), func(c *Config) { c.URL, c.Homes = server.URL+"/dav/", "/all/cal-{user}.d/calendars/" })
	client := source.newClient(t.Context())
	defer client.close()
	names, err := client.listHomes(t.Context())
	if got := fmt.Sprintf("%q", names); err != nil || got != `["bob" "ünï x"]` {
		t.Errorf("the homes are %s, %v", got, err)
	}
}

// Nothing is kept of users that there is no room for.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	server := startCrowd(t, time.Now().Add(-time.Minute))
	source, _ := newTestSource(t, manyNames(20), func(c *Config) { c.URL = server.URL })
	full := newTold()
	full.full = true
	observer := runInto(t, source, full)
	eventually(t, "it is in sync", observer.isSynced)
	observer.stop()
	for _, c := range source.calendars {
		if len(c.copies) > 0 || observer.get(c.user).Status != domain.Unavailable {
			t.Errorf("of %s there are %d copies, and %+v was reported", c.user, len(c.copies), observer.get(c.user))
		}
	}
}
