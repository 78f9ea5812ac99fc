package ical

import (
	"strings"

	"github.com/zarafa/presence/domain"
)

// event is a VEVENT (RFC 5545, 3.6.1).
type event struct {
	uid      string
	sequence int

	start  moment
	end    moment // if hasEnd
	length length // if hasLength
	hasEnd, hasLength, hasStart,
	faulty bool // something that matters cannot be read

	replaces      moment // RECURRENCE-ID, if isOverride
	replacesAt    int64
	isOverride    bool
	thisAndFuture bool
	rules         []string
	added         []addition

	excludedAt    map[int64]bool // in Unix seconds
	excludedDates map[int]bool   // their days, which matter if the event is of whole days
	excludedDays  map[int]bool   // given as dates

	kind                     Kind
	cancelled, free, private bool
	absent, allDay           bool
	tentative, declined      bool
	title                    string
}

// addition is an RDATE, which may have a length of its own.
type addition struct {
	moment
	length    length
	hasLength bool
}

// set takes a property.
func (e *event) set(p *property, o *Options, z *zones) {
	value := strings.TrimSpace(p.value)
	upper := strings.ToUpper(value)
	ok := true
	switch p.name {
	case "UID":
		e.uid = value
	case "SEQUENCE":
		e.sequence, _ = number(value, 0, 1<<31)
	case "DTSTART":
		e.start, ok = z.moment(p, value)
		e.hasStart = ok
	case "DTEND":
		e.end, ok = z.moment(p, value)
		e.hasEnd = ok
	case "DURATION":
		e.length, ok = parseDuration(value)
		e.hasLength = ok
	case "RECURRENCE-ID":
		e.replaces, ok = z.moment(p, value)
		e.isOverride, e.thisAndFuture = true, strings.EqualFold(p.param("RANGE"), "THISANDFUTURE")
	case "RRULE":
		e.rules = append(e.rules, value)
	case "RDATE":
		e.add(p, value, z)
	case "EXDATE":
		for one := range strings.SplitSeq(value, ",") {
			if m, ok := z.moment(p, strings.TrimSpace(one)); ok {
				e.exclude(m)
			}
		}
	case "STATUS":
		e.cancelled, e.tentative = upper == "CANCELLED", e.tentative || upper == "TENTATIVE"
	case "TRANSP":
		e.free = e.free || upper == "TRANSPARENT"
	case "CLASS":
		e.private = upper != "PUBLIC" // an unknown one is private (3.8.1.3)
	case "SUMMARY":
		if o.Titles {
			e.title = domain.ClipMessage(unescape(p.value))
		}
	case "ATTENDEE":
		e.attend(p, value, o)
	case "X-MICROSOFT-CDO-BUSYSTATUS":
		e.free = e.free || upper == "FREE" || upper == "WORKINGELSEWHERE"
		e.absent, e.tentative = upper == "OOF", e.tentative || upper == "TENTATIVE"
	case "X-MICROSOFT-CDO-ALLDAYEVENT":
		e.allDay = upper == "TRUE"
	}
	e.faulty = e.faulty || !ok
}

// moment reads a value of a property that may name a zone.
func (z *zones) moment(p *property, value string) (moment, bool) {
	in := z.user
	if len(value) > len("20060102") {
		in = z.named(p.param("TZID"))
	}
	return parseMoment(value, in)
}

// add takes an RDATE: dates, or periods such as 20260105T090000/PT1H.
func (e *event) add(p *property, value string, z *zones) {
	for one := range strings.SplitSeq(value, ",") {
		begin, end, isPeriod := strings.Cut(strings.TrimSpace(one), "/")
		start, ok := z.moment(p, begin)
		if !ok {
			continue
		}
		a := addition{moment: start, hasLength: isPeriod}
		if isPeriod && strings.HasPrefix(end, "P") {
			a.length, ok = parseDuration(end)
		} else if isPeriod {
			var until moment
			until, ok = z.moment(p, end)
			a.length.seconds = until.instant() - start.instant()
		}
		if ok {
			e.added = append(e.added, a)
		}
	}
}

// exclude takes an EXDATE. A date takes out whatever begins on its day.
func (e *event) exclude(m moment) {
	if e.excludedAt == nil {
		e.excludedAt, e.excludedDates, e.excludedDays = make(map[int64]bool), make(map[int]bool), make(map[int]bool)
	}
	if m.date {
		e.excludedDays[m.at.dayOf()] = true
		return
	}
	e.excludedAt[m.instant()] = true
	e.excludedDates[m.at.dayOf()] = true
}

// attend takes an ATTENDEE, who may be the user: then it says what the user has answered.
func (e *event) attend(p *property, value string, o *Options) {
	const scheme = "mailto:"
	if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
		value = value[len(scheme):]
	}
	for _, address := range o.Addresses {
		if !strings.EqualFold(address, value) && !strings.EqualFold(address, p.param("EMAIL")) {
			continue
		}
		switch strings.ToUpper(p.param("PARTSTAT")) {
		case "DECLINED", "DELEGATED":
			e.declined = true
		case "ACCEPTED", "COMPLETED", "IN-PROCESS":
		default: // NEEDS-ACTION is the default
			e.tentative = true
		}
		return
	}
}

// finish completes the event. It returns false if the event cannot be read.
func (e *event) finish() bool {
	if e.faulty || !e.hasStart {
		return false
	}
	if e.isOverride {
		e.replacesAt = e.replaces.instant()
	}
	e.kind = Meeting
	switch {
	case e.absent:
		e.kind = OutOfOffice
	case e.allDay || e.start.date:
		e.kind = AllDay
	}
	switch {
	case e.hasEnd && e.start.date:
		e.length = length{days: e.end.at.dayOf() - e.start.at.dayOf()}
	case e.hasEnd:
		e.length = length{seconds: e.end.instant() - e.start.instant()}
	case !e.hasLength && e.start.date:
		e.length = length{days: 1}
	}
	if e.start.date && e.length.days < 1 && e.length.seconds <= 0 {
		e.length.days = 1 // DTEND on the same day: what was meant is clear
	}
	return e.length.days >= 0 && e.length.seconds >= 0
}

// says reports whether the event says anything of its user.
func (e *event) says(o *Options) bool {
	return !e.cancelled && !e.free && !e.declined && (!e.tentative || o.Tentative)
}

// interval returns what the event says from a moment on.
func (e *event) interval(start moment, l length) Interval {
	interval := Interval{Start: timestampOf(start.instant()), End: timestampOf(l.from(start)), Kind: e.kind}
	if !e.private {
		interval.Title = e.title
	}
	return interval
}
