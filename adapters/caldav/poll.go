package caldav

import (
	"errors"
	"fmt"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// hear notes that the CalDAV server answers.
func (r *run) hear(now domain.Timestamp) {
	r.server.heardAt, r.server.failures = now, 0
	if r.server.away {
		r.server.away, r.view.away = false, false
		r.log.Info("the CalDAV server answers again")
		r.tellAll()
	}
}

// lose notes that the CalDAV server does not answer. The timeline goes on with the copies, for as long as they are kept.
func (r *run) lose(c *calendar, now domain.Timestamp, err error) error {
	r.server.said, r.server.trouble = err, now
	if !r.synced || now >= r.server.heardAt.Add(r.config.Keep) {
		return fmt.Errorf("lost the CalDAV server %s: %w", r.url.Host, err)
	}
	if !r.server.away {
		r.server.away, r.view.away = true, true
		r.log.Warn("the CalDAV server does not answer: meetings begin and end by the last copies of the calendars", "err", err, "keep", r.config.Keep)
		r.tellAll()
	}
	if now >= r.server.notUntil { // else this request was on its way when another one failed
		r.server.notUntil = now.Add(min(r.limits.firstRetry<<min(r.server.failures, 10), r.limits.lastRetry))
		r.server.failures++
	}
	r.polls.set(c, r.server.notUntil)
	return nil
}

// sayIfSlow says, once an hour, if calendars are looked at much less often than the configuration wants. c is one that was looked at just now.
func (r *run) sayIfSlow(c *calendar, now domain.Timestamp) {
	age := time.Duration(now - c.asOf)
	if r.synced && c.hasCopy && !c.failing && c.asOf > r.server.trouble && age > 2*r.config.Refresh && now >= r.server.slowSaid {
		r.server.slowSaid = now.Add(time.Hour)
		r.log.Warn("calendars are looked at less often than calendar.refresh says: the server is too slow for so many", "age", age.Round(time.Second))
	}
}

// pause does what a server asks for that is asked too often.
func (r *run) pause(c *calendar, now domain.Timestamp, pause time.Duration) {
	until := now.Add(pause)
	r.polls.set(c, until)
	if c.home == nil {
		r.log.Info("the server of a calendar asks for a pause", "user", c.user, "pause", pause)
		return
	}
	r.hear(now)
	r.server.trouble = until
	if until > r.server.notUntil {
		r.server.notUntil = until
		r.log.Warn("the CalDAV server asks for a pause: set calendar.refresh to a longer time", "pause", pause)
	}
}

// refuse notes that a calendar is gone, or may no longer be read. Then it says nothing.
func (r *run) refuse(c *calendar, err error) {
	c.copies, c.hasCopy, c.failing, c.failures = nil, false, false, 0
	if !c.refused {
		c.refused = true
		r.log.Warn("the calendar of a user cannot be read", "user", c.user, "err", err)
	}
	if c.ics != nil && !errors.Is(err, ports.ErrRejected) {
		err = fmt.Errorf("%w: %w", err, ports.ErrRejected) // if no calendar can be read, a person must help
	}
	r.server.note(c, err)
}

// fail notes that a calendar could not be looked at this time. The copy counts for as long as it is kept.
func (r *run) fail(c *calendar, err error) {
	c.failures++
	r.server.note(c, err)
	if !c.failing {
		c.failing = true
		r.log.Warn("the calendar of a user cannot be read, its last copy counts", "user", c.user, "err", err, "keep", r.config.Keep)
	}
}

// note keeps why a calendar of ics cannot be read, in case that none can.
func (s *server) note(c *calendar, err error) {
	if c.ics != nil {
		s.said = fmt.Errorf("reading the calendar of %s at %s: %w", c.user, c.ics.Host, err)
	}
}

// lostICS returns an error if there is no CalDAV server, and no calendar of ics can be read or has a copy that counts.
func (r *run) lostICS(now domain.Timestamp) error {
	if r.url != nil || !r.synced {
		return nil
	}
	for _, c := range r.calendars {
		if counts, _ := r.view.counts(c, now); counts || !c.tried {
			return nil
		}
	}
	return r.server.said
}
