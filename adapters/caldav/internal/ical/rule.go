package ical

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// frequency is how often a rule repeats. Rules that repeat every minute or second are refused: no meeting does.
type frequency uint8

const (
	hourly frequency = iota + 1
	daily
	weekly
	monthly
	yearly
)

var frequencies = map[string]frequency{"HOURLY": hourly, "DAILY": daily, "WEEKLY": weekly, "MONTHLY": monthly, "YEARLY": yearly}

var weekdays = map[string]time.Weekday{"SU": 0, "MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6}

// nthDay is an entry of BYDAY, such as -1FR.
type nthDay struct {
	n   int // 0: every one
	day time.Weekday
}

// rule is an RRULE (RFC 5545, 3.3.10).
type rule struct {
	start     moment
	startDate time.Time // the day of start
	startHour int

	freq      frequency
	interval  int
	count     int // 0: no limit
	until     moment
	hasUntil  bool
	weekStart time.Weekday

	months, monthDays, yearDays, weeks []int
	days                               []nthDay
	hours, minutes, seconds            []int
	positions                          []int
}

// parseRule reads a rule. It refuses what RFC 5545 forbids, and what would be too much.
func parseRule(text string, start moment) (r *rule, ok bool) {
	r = &rule{start: start, startDate: dateOf(start.at.dayOf()), interval: 1, weekStart: time.Monday}
	for part := range strings.SplitSeq(strings.ToUpper(strings.TrimSpace(text)), ";") {
		if part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		if !found || !r.set(name, value) {
			return nil, false
		}
	}
	if r.freq == 0 || len(r.hours)*len(r.minutes)*len(r.seconds) > 1440 {
		return nil, false
	}
	r.imply()
	return r, len(r.hours)*len(r.minutes)*len(r.seconds) <= 1440
}

func (r *rule) set(name, value string) (ok bool) {
	switch name {
	case "FREQ":
		r.freq, ok = frequencies[value]
	case "INTERVAL":
		r.interval, ok = number(value, 1, 100_000)
	case "COUNT":
		r.count, ok = number(value, 1, 1<<31)
	case "UNTIL":
		r.hasUntil = true
		r.until, ok = parseMoment(value, r.start.zone)
	case "WKST":
		r.weekStart, ok = weekdays[value]
	case "BYMONTH":
		r.months, ok = numbers(value, 1, 12)
	case "BYMONTHDAY":
		r.monthDays, ok = numbers(value, -31, 31)
	case "BYYEARDAY":
		r.yearDays, ok = numbers(value, -366, 366)
	case "BYWEEKNO":
		r.weeks, ok = numbers(value, -53, 53)
	case "BYSETPOS":
		r.positions, ok = numbers(value, -366, 366)
	case "BYHOUR":
		r.hours, ok = numbers(value, 0, 23)
	case "BYMINUTE":
		r.minutes, ok = numbers(value, 0, 59)
	case "BYSECOND":
		r.seconds, ok = numbers(value, 0, 59)
	case "BYDAY":
		r.days, ok = parseDays(value)
	default:
		ok = strings.HasPrefix(name, "X-")
	}
	return ok
}

// imply takes from the start what the rule leaves open.
func (r *rule) imply() {
	clock := int(r.start.at) - r.start.at.dayOf()*day
	r.startHour = clock / 3600
	if len(r.hours) == 0 && r.freq != hourly {
		r.hours = []int{clock / 3600}
	}
	if len(r.minutes) == 0 {
		r.minutes = []int{clock / 60 % 60}
	}
	if len(r.seconds) == 0 {
		r.seconds = []int{clock % 60}
	}
	if len(r.days) > 0 || len(r.monthDays) > 0 || len(r.yearDays) > 0 {
		return
	}
	switch {
	case r.freq == weekly || r.freq == yearly && len(r.weeks) > 0:
		r.days = []nthDay{{0, r.startDate.Weekday()}}
	case r.freq == monthly:
		r.monthDays = []int{r.startDate.Day()}
	case r.freq == yearly:
		r.monthDays = []int{r.startDate.Day()}
		if len(r.months) == 0 {
			r.months = []int{int(r.startDate.Month())}
		}
	}
}

// number reads a number between two others.
func number(text string, least, most int) (int, bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "+"))
	return n, err == nil && least <= n && n <= most
}

// numbers reads a list of numbers, and sorts it. Zero is only allowed as the least.
func numbers(text string, least, most int) (list []int, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		n, ok := number(part, least, most)
		if !ok || n == 0 && least < 0 || len(list) > 800 {
			return nil, false
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list), true
}

func parseDays(text string) (list []nthDay, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		if len(part) < 2 || len(list) > 400 {
			return nil, false
		}
		one := nthDay{}
		if one.day, ok = weekdays[part[len(part)-2:]]; !ok {
			return nil, false
		}
		if n := part[:len(part)-2]; n != "" {
			if one.n, ok = number(n, -53, 53); !ok || one.n == 0 {
				return nil, false
			}
		}
		list = append(list, one)
	}
	return list, true
}
