package ical

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container image may have no zones
)

// wall is what a clock on the wall shows, in seconds since it showed the beginning of 1970.
type wall int64

const day = 24 * 60 * 60

func wallOf(t time.Time) wall {
	return wall(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC).Unix())
}

// dayOf returns the number of the day.
func (w wall) dayOf() int {
	if w < 0 {
		return int((w - day + 1) / day)
	}
	return int(w / day)
}

// zone tells how far the clocks on the wall are ahead of UTC, in seconds, at a moment in Unix seconds.
type zone interface{ offset(unix int64) int64 }

type location struct{ *time.Location }

func (l location) offset(unix int64) int64 {
	_, offset := time.Unix(unix, 0).In(l.Location).Zone()
	return int64(offset)
}

// instant returns when the clocks show a time, in Unix seconds. A time that they show twice is the first one, and one that they skip counts from before
// the gap (RFC 5545, 3.3.5).
func instant(z zone, w wall) int64 {
	if l, ok := z.(location); ok && l.Location == time.UTC {
		return int64(w)
	}
	const farthest = 15 * 60 * 60 // no zone is further from UTC
	before, after := z.offset(int64(w)-farthest), z.offset(int64(w)+farthest)
	if at := int64(w) - before; before == after || z.offset(at) == before {
		return at
	}
	if at := int64(w) - after; z.offset(at) == after {
		return at
	}
	return int64(w) - before
}

// zones finds the zones that a text names.
type zones struct {
	user    zone // of floating times and of whole days
	defined map[string][]observance
	found   map[string]zone
	window  window
	work    *work
}

// named returns the zone of a TZID: an IANA name, a name of Windows, one behind a prefix such as /example.test/2024a/Europe/Berlin, or what the text
// defines under the name. A name that says nothing is the user's zone.
func (z *zones) named(id string) zone {
	if id == "" {
		return z.user
	}
	if known, ok := z.found[id]; ok {
		return known
	}
	z.work.take(100)
	var found zone
	if known := loadLocation(id); known != nil {
		found = location{known}
	} else if observances := z.defined[id]; len(observances) > 0 {
		found = newDefinedZone(observances, z.window, z.work)
	} else {
		found = z.user
	}
	z.found[id] = found
	return found
}

// loaded has the locations that were asked for. There are some 600.
var loaded sync.Map

// loadLocation returns the location of a name, or nil.
func loadLocation(id string) *time.Location {
	if known, ok := loaded.Load(id); ok {
		return known.(*time.Location) //nolint:forcetypeassert // nothing else is stored
	}
	name := strings.TrimPrefix(id, "/")
	if iana := windowsZones[name]; iana != "" {
		name = iana
	}
	for range 4 { // without the parts of a prefix
		if found := loadIANA(name); found != nil {
			loaded.Store(id, found)
			return found
		}
		_, rest, more := strings.Cut(name, "/")
		if !more {
			break
		}
		name = rest
	}
	return nil
}

func loadIANA(name string) *time.Location {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/"
	if name == "" || name == "Local" || strings.Trim(name, letters) != "" || len(name) > 64 {
		return nil
	}
	found, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return found
}

// observance is a part of a VTIMEZONE (RFC 5545, 3.6.5): from its onsets on, the clocks are at an offset.
type observance struct {
	start    wall // by the clocks of before
	from, to int64
	rules    []string
	dates    []wall
}

// definedZone is a zone that the text defines. It is right around the window.
type definedZone struct {
	transitions []transition // in order
	before      int64
}

type transition struct{ at, offset int64 }

func newDefinedZone(observances []observance, w window, work *work) *definedZone {
	z := &definedZone{}
	for _, o := range observances {
		onset := func(at wall) bool {
			z.transitions = append(z.transitions, transition{int64(at) - o.from, o.to})
			return true
		}
		onset(o.start)
		for _, at := range o.dates {
			onset(at)
		}
		for _, text := range o.rules {
			if r, ok := parseRule(text, moment{at: o.start, zone: fixedZone(o.from)}); ok {
				const years = 3 * 366 // so that there is an onset before the window
				r.each(w.firstDay()-years, w.lastDay()+years, work, onset)
			}
		}
	}
	slices.SortFunc(z.transitions, func(a, b transition) int { return int(a.at - b.at) })
	first := slices.MinFunc(observances, func(a, b observance) int { return int(a.start - b.start) })
	z.before = first.from
	return z
}

func (z *definedZone) offset(unix int64) int64 {
	next, _ := slices.BinarySearchFunc(z.transitions, unix, func(t transition, unix int64) int {
		if t.at <= unix {
			return -1
		}
		return 1
	})
	if next == 0 {
		return z.before
	}
	return z.transitions[next-1].offset
}

type fixedZone int64

func (z fixedZone) offset(int64) int64 { return int64(z) }
