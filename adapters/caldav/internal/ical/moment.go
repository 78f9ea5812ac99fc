package ical

import (
	"math"
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
)

// moment is a date, or a date and a time by the clocks of a zone.
type moment struct {
	at   wall
	zone zone
	date bool // of whole days
	utc  bool // it was given in UTC
}

// instant returns when it is, in Unix seconds.
func (m moment) instant() int64 { return instant(m.zone, m.at) }

// parseMoment reads a DATE or a DATE-TIME (RFC 5545, 3.3.4 and 3.3.5).
func parseMoment(text string, in zone) (m moment, ok bool) {
	form := "20060102T150405"
	switch {
	case len(text) == len("20060102"):
		form = "20060102"
	case strings.HasSuffix(text, "Z"), strings.HasSuffix(text, "z"):
		text, in, m.utc = text[:len(text)-1], location{time.UTC}, true
	}
	t, err := time.Parse(form, text)
	if err != nil {
		return moment{}, false
	}
	m.at, m.zone, m.date = wall(t.Unix()), in, len(form) == len("20060102")
	return m, true
}

// length is how long an event is. Days are of the calendar, and have 23 or 25 hours when the clocks are changed.
type length struct {
	days    int
	seconds int64
}

// from returns when what begins at a moment ends, in Unix seconds.
func (l length) from(m moment) int64 { return instant(m.zone, m.at+wall(l.days*day)) + l.seconds }

// longest returns the length at most, in seconds.
func (l length) longest() int64 { return int64(l.days)*day + l.seconds + 2*60*60 }

// parseDuration reads a DURATION (RFC 5545, 3.3.6). A negative one is refused, and so is one of more than ten years.
func parseDuration(text string) (l length, ok bool) {
	text, found := strings.CutPrefix(strings.TrimPrefix(strings.ToUpper(text), "+"), "P")
	if !found || text == "" {
		return l, false
	}
	clock := false
	for text != "" {
		if rest, found := strings.CutPrefix(text, "T"); found {
			text, clock = rest, true
		}
		end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if end <= 0 {
			return l, false
		}
		n, ok := number(text[:end], 0, 10*366*day)
		if !ok {
			return l, false
		}
		switch unit := text[end]; {
		case unit == 'W' && !clock:
			l.days += 7 * n
		case unit == 'D' && !clock:
			l.days += n
		case unit == 'H' && clock:
			l.seconds += int64(n) * 3600
		case unit == 'M' && clock:
			l.seconds += int64(n) * 60
		case unit == 'S' && clock:
			l.seconds += int64(n)
		default:
			return l, false
		}
		text = text[end+1:]
	}
	const years = 10 * 366 * day
	return l, int64(l.days)*day+l.seconds <= years
}

// window is from when until when intervals are wanted, in Unix seconds.
type window struct{ from, to int64 }

// firstDay and lastDay are the days of the window in every zone.
func (w window) firstDay() int { return wall(w.from - day).dayOf() }
func (w window) lastDay() int  { return wall(w.to + day).dayOf() }

// work counts what is still allowed.
type work struct{ left int }

// take takes so much, and returns false if nothing is left.
func (w *work) take(n int) bool {
	w.left = max(w.left-n, 0)
	return w.left > 0
}

// timestampOf converts Unix seconds. What is too far away becomes the first or the last moment that there is.
func timestampOf(unix int64) domain.Timestamp {
	const most = math.MaxInt64 / int64(time.Second)
	return domain.Timestamp(min(max(unix, -most), most) * int64(time.Second))
}
