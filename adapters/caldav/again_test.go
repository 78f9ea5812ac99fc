package caldav

import (
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// A whole day is one in the user's own zone: where the date is another, it has not begun or is over. Who moves is looked at anew.
func TestZoneOfUser(t *testing.T) {
	t.Parallel()
	server := startRadicale(t)
	const first, last = "Pacific/Kiritimati", "Pacific/Pago_Pago" // 25 hours apart: the date is never the same
	zone, err := time.LoadLocation(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "Bob"} {
		server.makeCalendar(t, user, "work", "VEVENT")
		server.put(t, user, "1", "DTSTART;VALUE=DATE:"+time.Now().In(zone).Format("20060102"))
	}
	identities := namesOf(alice, bob)
	identities.setZones(map[domain.UserID]string{alice.User: first, bob.User: last})
	source, _ := newTestSource(t, identities, func(c *Config) { c.URL, c.Refresh, c.StaleAfter = "http://"+server.address, time.Hour, 2*time.Hour })
	observer := runSource(t, source)
	eventually(t, "it is in sync", observer.isSynced)
	observer.shows(t, alice.User, domain.Away)
	observer.shows(t, bob.User, domain.Unavailable)
	identities.setZones(map[domain.UserID]string{alice.User: last, bob.User: first})
	observer.shows(t, bob.User, domain.Away)
	observer.shows(t, alice.User, domain.Unavailable)
	identities.setZones(map[domain.UserID]string{alice.User: first})
	observer.shows(t, alice.User, domain.Away)
	observer.stop()
	identities.setZones(map[domain.UserID]string{alice.User: last}) // between two Runs
	again := runSource(t, source)
	eventually(t, "it is in sync again", again.isSynced)
	again.shows(t, alice.User, domain.Unavailable)
}

// Who loses a calendar name between two Runs is not looked at in the second, and the others are.
func TestIdentitiesChangeBetweenRuns(t *testing.T) {
	t.Parallel()
	server := startCrowd(t, systemClock{}.Now().Time())
	identities := manyNames(5)
	source, _ := newTestSource(t, identities, func(c *Config) { c.URL = server.URL })
	observer := runSource(t, source)
	eventually(t, "it is in sync", observer.isSynced)
	observer.stop()
	identities.set(identities.list[:2]...)
	again := runSource(t, source)
	eventually(t, "it is in sync again", again.isSynced)
	for i, name := range []domain.UserID{"u0@example.test", "u4@example.test"} {
		if known := again.isKnown(name); known != (i == 0) {
			t.Errorf("%s is known: %v", name, known)
		}
	}
}
