package ical

import (
	"slices"
	"time"
)

// dateOf returns the date of a day's number.
func dateOf(number int) time.Time { return time.Unix(int64(number)*day, 0).UTC() }

func dayNumber(date time.Time) int { return wallOf(date).dayOf() }

// each calls found for every occurrence from one day to another, in order, until it returns false. It costs a unit of work a day.
func (r *rule) each(from, to int, work *work, found func(wall) bool) {
	first, left := r.start.at.dayOf(), r.count
	if left > 0 || from < first { // those before the window count, too
		from = first
	}
	found = r.counted(&left, found)
	var selected []wall // by BYSETPOS, in a period
	period := -1
	for at := from; at <= to && work.take(1); at++ {
		date := dateOf(at)
		switch this := r.period(date); {
		case this%r.interval != 0:
			at += r.daysLeft(date) // in a period that is not of the rule
		case len(r.positions) > 0 && r.freq > hourly:
			if this != period {
				period, selected = this, r.selected(date, work)
			}
			for _, occurrence := range selected {
				if occurrence.dayOf() == at && !found(occurrence) {
					return
				}
			}
		case r.matches(date):
			if !r.onDay(at, work, found) {
				return
			}
		}
	}
}

// counted leaves out what is before the start, and ends with UNTIL and COUNT.
func (r *rule) counted(left *int, found func(wall) bool) func(wall) bool {
	return func(at wall) bool {
		if at < r.start.at {
			return true
		}
		if r.hasUntil && r.isAfter(at) {
			return false
		}
		if !found(at) {
			return false
		}
		if *left == 0 {
			return true
		}
		*left--
		return *left > 0
	}
}

// isAfter reports whether an occurrence is after UNTIL. A date includes its whole day.
func (r *rule) isAfter(at wall) bool {
	switch {
	case r.until.date || r.start.date:
		return at.dayOf() > r.until.at.dayOf()
	case r.until.utc:
		return instant(r.start.zone, at) > int64(r.until.at)
	default:
		return at > r.until.at
	}
}

// period numbers the days, weeks, months or years from that of the start on. A rule of hours has a period a day here: see onDay.
func (r *rule) period(date time.Time) int {
	switch r.freq {
	case yearly:
		return date.Year() - r.startDate.Year()
	case monthly:
		return (date.Year()-r.startDate.Year())*12 + int(date.Month()) - int(r.startDate.Month())
	case weekly:
		return (dayNumber(r.weekOf(date)) - dayNumber(r.weekOf(r.startDate))) / 7
	case daily:
		return dayNumber(date) - dayNumber(r.startDate)
	default:
		return 0
	}
}

// weekOf returns the first day of the week.
func (r *rule) weekOf(date time.Time) time.Time {
	return date.AddDate(0, 0, -(int(date.Weekday()-r.weekStart)+7)%7)
}

// bounds returns the first day of the period that a day is in, and the one after its last.
func (r *rule) bounds(date time.Time) (first, end time.Time) {
	switch r.freq {
	case yearly:
		first = time.Date(date.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		return first, first.AddDate(1, 0, 0)
	case monthly:
		first = time.Date(date.Year(), date.Month(), 1, 0, 0, 0, 0, time.UTC)
		return first, first.AddDate(0, 1, 0)
	case weekly:
		first = r.weekOf(date)
		return first, first.AddDate(0, 0, 7)
	default:
		return date, date.AddDate(0, 0, 1)
	}
}

// daysLeft returns how many days of the period follow a day.
func (r *rule) daysLeft(date time.Time) int {
	_, end := r.bounds(date)
	return dayNumber(end) - dayNumber(date) - 1
}

// selected returns the occurrences of a period at the positions of BYSETPOS, in order.
func (r *rule) selected(date time.Time, work *work) (list []wall) {
	var all []wall
	for first, end := r.bounds(date); first.Before(end) && work.take(1); first = first.AddDate(0, 0, 1) {
		if r.matches(first) {
			r.onDay(dayNumber(first), work, func(at wall) bool { all = append(all, at); return true })
		}
	}
	return r.positioned(all)
}

// positioned returns those at the positions of BYSETPOS.
func (r *rule) positioned(all []wall) (list []wall) {
	for _, position := range r.positions {
		if position < 0 {
			position += len(all) + 1
		}
		if 1 <= position && position <= len(all) {
			list = append(list, all[position-1])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// onDay calls found for every time of day of the rule, until it returns false.
func (r *rule) onDay(number int, work *work, found func(wall) bool) bool {
	if r.freq != hourly {
		for _, hour := range r.hours {
			if !r.inHour(number*24+hour, work, found) {
				return false
			}
		}
		return true
	}
	first := r.start.at.dayOf()*24 + r.startHour
	for hour := number * 24; hour < (number+1)*24; hour++ {
		if (hour-first)%r.interval != 0 || len(r.hours) > 0 && !slices.Contains(r.hours, hour-number*24) {
			continue
		}
		if len(r.positions) == 0 {
			if !r.inHour(hour, work, found) {
				return false
			}
			continue
		}
		var all []wall
		r.inHour(hour, work, func(at wall) bool { all = append(all, at); return true })
		for _, at := range r.positioned(all) {
			if !found(at) {
				return false
			}
		}
	}
	return true
}

func (r *rule) inHour(hour int, work *work, found func(wall) bool) bool {
	for _, minute := range r.minutes {
		for _, second := range r.seconds {
			if !work.take(1) || !found(wall(hour*3600+minute*60+second)) {
				return false
			}
		}
	}
	return true
}

// matches reports whether the rule has occurrences on a day, of a period that is one of the rule's. It is asked about every day, so it is quick.
func (r *rule) matches(date time.Time) bool {
	return (len(r.months) == 0 || slices.Contains(r.months, int(date.Month()))) &&
		(len(r.days) == 0 || slices.ContainsFunc(r.days, func(d nthDay) bool { return r.isDay(d, date) })) &&
		(len(r.monthDays) == 0 || isCounted(r.monthDays, date.Day(), endOfMonth(date))) &&
		(len(r.yearDays) == 0 || isCounted(r.yearDays, date.YearDay(), endOfYear(date))) &&
		(len(r.weeks) == 0 || r.inWeeks(date))
}

func endOfMonth(date time.Time) int {
	return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
func endOfYear(date time.Time) int {
	return time.Date(date.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
}

// isCounted reports whether the n-th of so many is in a list, in which -1 is the last.
func isCounted(list []int, n, of int) bool {
	return slices.Contains(list, n) || slices.Contains(list, n-of-1)
}

// isDay reports whether a day is that of an entry of BYDAY.
func (r *rule) isDay(d nthDay, date time.Time) bool {
	switch {
	case date.Weekday() != d.day:
		return false
	case d.n == 0 || r.freq < monthly:
		return true
	}
	at, end := date.Day(), endOfMonth
	if r.freq == yearly && len(r.months) == 0 {
		at, end = date.YearDay(), endOfYear
	}
	if d.n < 0 {
		return (end(date)-at)/7+1 == -d.n
	}
	return (at-1)/7+1 == d.n
}

// inWeeks reports whether a day is in a week of BYWEEKNO. A week belongs to the year that most of its days are in.
func (r *rule) inWeeks(date time.Time) bool {
	middle := r.weekOf(date).AddDate(0, 0, 3)
	last := r.weekOf(time.Date(middle.Year(), 12, 28, 0, 0, 0, 0, time.UTC)).AddDate(0, 0, 3) // which is always in the last week
	number, weeks := (middle.YearDay()-1)/7+1, (last.YearDay()-1)/7+1
	return isCounted(r.weeks, number, weeks)
}
