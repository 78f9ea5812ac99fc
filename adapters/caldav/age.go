package caldav

import (
	"fmt"
	"time"

	"github.com/zarafa/presence/domain"
)

// tellAgeEvery is the shortest time between two reports of the age.
const tellAgeEvery = time.Second

// age is when the observer was last told how old the copies are.
type age struct {
	told domain.Timestamp
	due  bool // something was looked at since
}

// tellAge tells the observer how old the oldest copy is that counts, and what keeps copies from being renewed.
func (r *run) tellAge() {
	now := r.clock.Now()
	if !r.synced || !r.age.due || now < r.age.told.Add(tellAgeEvery) {
		return
	}
	r.age = age{told: now}
	asOf, unreadable := r.oldest(now)
	r.observer.AsOf(asOf, r.trouble(now, unreadable))
}

// oldest returns when the oldest copy that counts was last the same as on the server, zero if there is none, and how many calendars could not be read
// lately. Those do not count, unless the whole server is away.
func (r *run) oldest(now domain.Timestamp) (at domain.Timestamp, unreadable int) {
	for _, c := range r.calendars {
		if c.failing || c.refused {
			unreadable++
		}
		if counts, _ := r.view.counts(c, now); counts && (r.view.away || !c.failing) && (at == 0 || c.asOf < at) {
			at = c.asOf
		}
	}
	return at, unreadable
}

// trouble returns what is wrong: nil if every calendar can be looked at.
func (r *run) trouble(now domain.Timestamp, unreadable int) error {
	switch {
	case r.server.away:
		return fmt.Errorf("the CalDAV server %s does not answer: %w", r.url.Host, r.server.said)
	case now < r.server.notUntil:
		return fmt.Errorf("the CalDAV server %s asks for a pause", r.url.Host)
	case unreadable > 0:
		return fmt.Errorf("some calendars cannot be read (%d): the log says whose, and why", unreadable)
	}
	return nil
}
