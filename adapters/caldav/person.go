package caldav

import (
	"cmp"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
)

// person is a user with calendars.
type person struct {
	place // in the queue of the next changes

	user      domain.UserID
	calendars []*calendar
	told      domain.Report // what was reported last; the zero Report is nothing
}

// messages are what calendar.message: kind shows.
var messages = [...]string{ical.Meeting: "In a meeting", ical.AllDay: "Absent", ical.OutOfOffice: "Out of office"}

// view is how calendars are looked at: by which rules, and what counts as a copy.
type view struct {
	statuses         [3]domain.Status
	message          string
	staleAfter, keep time.Duration
	away             bool // the CalDAV server is
}

// counts reports whether what a calendar says counts at a moment, and until when at the latest if it is not looked at again.
func (v *view) counts(c *calendar, now domain.Timestamp) (counts bool, until domain.Timestamp) {
	if !c.hasCopy {
		return false, 0
	}
	if !c.failing && (c.home == nil || !v.away) {
		return true, 0
	}
	until = c.asOf.Add(v.keep)
	return now < until, until
}

// says returns what a person's calendars say at a moment, and when to look again. The report's status is Unavailable if they say nothing.
func (v *view) says(p *person, now domain.Timestamp) (report domain.Report, next domain.Timestamp) {
	soonest := func(at domain.Timestamp) {
		if at > now && (next == 0 || at < next) {
			next = at
		}
	}
	for _, c := range p.calendars {
		counts, until := v.counts(c, now)
		if !counts {
			continue
		}
		soonest(until)
		if stale := c.asOf.Add(v.staleAfter); len(c.copies) > 0 {
			soonest(stale)
		}
	}
	decides, from, edge := v.decides(p, now, now)
	soonest(edge)
	if decides == nil {
		return domain.Report{User: p.user, Device: device}, next
	}
	report = v.report(p.user, decides)
	report.Stale = now >= from.asOf.Add(v.staleAfter)
	report.Until = v.until(p, now, decides, edge)
	return report, next
}

// decides returns the event that decides at a moment, the calendar that it is in, and when the next one begins or ends. What counts as a copy is decided
// as of now.
func (v *view) decides(p *person, at, now domain.Timestamp) (best *ical.Interval, from *calendar, edge domain.Timestamp) {
	for _, c := range p.calendars {
		if counts, _ := v.counts(c, now); !counts {
			continue
		}
		for i := range c.copies {
			intervals := c.copies[i].intervals
			for j := range intervals {
				one := &intervals[j]
				if one.Start > at {
					if edge == 0 || one.Start < edge {
						edge = one.Start
					}
					break // they are in order
				}
				if one.End <= at {
					continue
				}
				if edge == 0 || one.End < edge {
					edge = one.End
				}
				if best == nil || v.goesBefore(one, best) {
					best, from = one, c
				}
			}
		}
	}
	return best, from, edge
}

// goesBefore reports whether an event decides before another: away before busy, then the one that began later.
func (v *view) goesBefore(a, b *ical.Interval) bool {
	isAway := func(i *ical.Interval) int {
		if v.statuses[i.Kind] == domain.Away {
			return 1
		}
		return 0
	}
	return cmp.Or(isAway(a)-isAway(b), cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(b.Title, a.Title)) > 0
}

// report makes a report of an event.
func (v *view) report(user domain.UserID, of *ical.Interval) domain.Report {
	r := domain.Report{User: user, Device: device, Status: v.statuses[of.Kind], Activity: domain.Meeting}
	if r.Status == domain.Away {
		r.Activity = domain.Vacation
	}
	switch v.message {
	case MessageKind:
		r.Message = messages[of.Kind]
	case MessageTitle:
		r.Message = of.Title
	}
	return r
}

// until returns when what is shown ends: one meeting that follows another does not change it, unless it has another message.
func (v *view) until(p *person, now domain.Timestamp, shown *ical.Interval, edge domain.Timestamp) domain.Timestamp {
	const most = 20 // meetings one after the other
	same := v.report(p.user, shown)
	for range most {
		next, _, after := v.decides(p, edge, now)
		if next == nil || v.report(p.user, next) != same || after == 0 {
			break
		}
		edge = after
	}
	return edge
}
