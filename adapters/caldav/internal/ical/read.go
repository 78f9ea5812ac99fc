package ical

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
)

// Kind is what kind of event an interval is of.
type Kind uint8

// The kinds. Each event is of one.
const (
	Meeting     Kind = iota // it has a time of day
	AllDay                  // it is of whole days
	OutOfOffice             // it is an absence, as Outlook marks one (X-MICROSOFT-CDO-BUSYSTATUS:OOF), whether it is of whole days or not
)

// Interval is a time in which an event says something of its user: from Start until just before End.
type Interval struct {
	Start, End domain.Timestamp
	Kind       Kind
	Title      string // empty unless Options.Titles is set, and always that of a private or confidential event
}

// Options say what is wanted.
type Options struct {
	From, To  time.Time      // the intervals that are in this window, wholly or partly
	Zone      *time.Location // the user's: of floating times and whole days
	Addresses []string       // the user's mail addresses, to find what the user has answered an invitation
	Tentative bool           // tentative events count as well, and invitations that the user has not answered
	Titles    bool
}

// Read reads an iCalendar text and returns the intervals in the window, in order of their starts. Free, transparent, cancelled and declined events have
// none. Events that cannot be read are counted in ignored, the rest of the text counts. The error is ErrNoCalendar, ErrTruncated or ErrTooMuch.
func Read(text []byte, o Options) (intervals []Interval, ignored int, _ error) {
	if len(text) > MaxBytes {
		return nil, 0, ErrTooMuch
	}
	w := &work{left: maxWork}
	z := &zones{user: location{o.Zone}, defined: make(map[string][]observance), found: make(map[string]zone),
		window: window{o.From.Unix(), o.To.Unix()}, work: w}
	if err := z.define(text); err != nil {
		return nil, 0, err
	}
	events, ignored, err := readEvents(text, &o, z)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range seriesOf(events) {
		found, ok := s.intervals(&o, z.window, w)
		if intervals = append(intervals, found...); !ok {
			ignored++
		}
		if w.left == 0 || len(intervals) > maxIntervals {
			return nil, 0, ErrTooMuch
		}
	}
	slices.SortStableFunc(intervals, func(a, b Interval) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	return intervals, ignored, nil
}

// walk gives the properties of a text with the path of the components that they are in, such as VCALENDAR/VEVENT. A component ends with a property of
// the name END.
func walk(text []byte, visit func(path string, p *property) error) error {
	var open []string
	path := ""
	for l := newLines(text); ; {
		p, more := l.next()
		value := strings.ToUpper(strings.TrimSpace(p.value))
		switch {
		case !more && len(open) > 0:
			return ErrTruncated
		case !more:
			return nil
		case p.name == "BEGIN" && len(open) == 0 && value != "VCALENDAR", p.name != "BEGIN" && len(open) == 0:
			return ErrNoCalendar
		case p.name == "BEGIN" && len(open) == maxDepth:
			return ErrTooMuch
		case p.name == "BEGIN":
			open = append(open, value)
			path = strings.Join(open, "/")
		case p.name == "END" && value != open[len(open)-1]:
			return ErrTruncated
		}
		if err := visit(path, &p); err != nil {
			return err
		}
		if p.name == "END" {
			open = open[:len(open)-1]
			path = strings.Join(open, "/")
		}
	}
}

const (
	inEvent = "VCALENDAR/VEVENT"
	inZone  = "VCALENDAR/VTIMEZONE"
)

// define reads the zones that the text defines, wherever they stand in it.
func (z *zones) define(text []byte) error {
	var id string
	var all []observance
	var one observance
	any := false
	err := walk(text, func(path string, p *property) error {
		any = any || path == "VCALENDAR"
		observing := path == inZone+"/STANDARD" || path == inZone+"/DAYLIGHT"
		switch {
		case path == inZone && p.name == "BEGIN":
			id, all = "", nil
		case path == inZone && p.name == "TZID":
			id = strings.TrimSpace(p.value)
		case path == inZone && p.name == "END":
			if len(z.defined) < 1000 {
				z.defined[id] = all
			}
		case observing && p.name == "BEGIN":
			one = observance{}
		case observing && p.name == "END":
			if len(all) < 200 {
				all = append(all, one)
			}
		case observing:
			one.set(p)
		}
		return nil
	})
	if err == nil && !any {
		return ErrNoCalendar
	}
	return err
}

func (o *observance) set(p *property) {
	value := strings.TrimSpace(p.value)
	switch p.name {
	case "DTSTART":
		start, _ := parseMoment(value, fixedZone(0))
		o.start = start.at
	case "TZOFFSETFROM":
		o.from = parseOffset(value)
	case "TZOFFSETTO":
		o.to = parseOffset(value)
	case "RRULE":
		o.rules = append(o.rules, value)
	case "RDATE":
		for text := range strings.SplitSeq(value, ",") {
			if at, ok := parseMoment(strings.TrimSpace(text), fixedZone(0)); ok && len(o.dates) < 1000 {
				o.dates = append(o.dates, at.at)
			}
		}
	}
}

// parseOffset reads a UTC-OFFSET such as +0530 (RFC 5545, 3.3.14), in seconds. One that cannot be is zero.
func parseOffset(text string) int64 {
	if len(text) != 5 && len(text) != 7 {
		return 0
	}
	n, err := strconv.ParseUint((text[1:] + "00")[:6], 10, 32)
	seconds := int64(n/10000*3600 + n/100%100*60 + n%100)
	if err != nil || seconds > 15*3600 {
		return 0
	}
	if text[0] == '-' {
		return -seconds
	}
	return seconds
}

// readEvents reads the events.
func readEvents(text []byte, o *Options, z *zones) (events []*event, ignored int, _ error) {
	var e *event
	err := walk(text, func(path string, p *property) error {
		switch {
		case path != inEvent:
		case p.name == "BEGIN":
			e = &event{}
		case p.name == "END" && !e.finish():
			ignored++
		case p.name == "END":
			if events = append(events, e); len(events) > maxEvents {
				return ErrTooMuch
			}
		default:
			e.set(p, o, z)
		}
		if z.work.left == 0 {
			return ErrTooMuch
		}
		return nil
	})
	return events, ignored, err
}
