package ical

import (
	"cmp"
	"slices"
)

// series is an event with its overrides: all events of one UID.
type series struct {
	master    *event   // nil if the text has only overrides, such as an invitation to one occurrence
	overrides []*event // of different occurrences, in their order
}

// seriesOf groups events. Of two that are the same one, the newer counts: the one with the higher SEQUENCE, or the later in the text.
func seriesOf(events []*event) (all []*series) {
	byUID := make(map[string]*series)
	for _, e := range events {
		s := byUID[e.uid]
		if s == nil || e.uid == "" {
			s = &series{}
			byUID[e.uid] = s
			all = append(all, s)
		}
		if e.isOverride {
			s.overrides = append(s.overrides, e)
		} else if s.master == nil || e.sequence >= s.master.sequence {
			s.master = e
		}
	}
	for _, s := range all {
		slices.SortStableFunc(s.overrides, func(a, b *event) int {
			return cmp.Or(cmp.Compare(a.replacesAt, b.replacesAt), cmp.Compare(b.sequence, a.sequence))
		})
		s.overrides = newest(s.overrides)
	}
	return all
}

// newest keeps one override of each occurrence.
func newest(sorted []*event) (kept []*event) {
	for _, e := range sorted {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].replacesAt != e.replacesAt:
			kept = append(kept, e)
		case e.sequence >= kept[last].sequence:
			kept[last] = e
		}
	}
	return kept
}

// intervals returns what a series says in the window. ok is false if a rule of it was refused.
func (s *series) intervals(o *Options, w window, work *work) (found []Interval, ok bool) {
	note := func(e *event, start moment, l length) {
		from, to := start.instant(), l.from(start)
		if from < w.to && to > w.from && to > from {
			found = append(found, e.interval(start, l))
		}
	}
	for _, e := range s.overrides {
		if e.says(o) {
			note(e, e.start, e.length)
		}
	}
	changes := s.changes()
	if s.master == nil || !s.master.says(o) && len(changes) == 0 {
		return found, true
	}
	near, seen := s.reach(w, changes), make(map[int64]bool)
	ok = s.each(near, work, func(start moment, l length) bool {
		at := start.instant()
		if at >= near.to || at < near.from || seen[at] || s.master.excludes(start, at) || s.isReplaced(at) {
			return true
		}
		seen[at] = true
		e, start, l := s.changed(changes, start, l)
		if e.says(o) {
			note(e, start, l)
		}
		if len(seen) > maxIntervals || !work.take(1+len(changes)) {
			work.left = 0
		}
		return work.left > 0
	})
	return found, ok
}

// changes are the overrides that change what follows, too.
func (s *series) changes() (list []*event) {
	for _, e := range s.overrides {
		if e.thisAndFuture {
			list = append(list, e)
		}
	}
	return list
}

// reach returns when an occurrence of the master must begin to be in the window, perhaps as it was changed.
func (s *series) reach(w window, changes []*event) window {
	if s.master == nil {
		return w
	}
	longest := s.master.length.longest()
	for _, a := range s.master.added {
		longest = max(longest, a.length.longest())
	}
	later := int64(0)
	for _, e := range changes {
		longest = max(longest, e.length.longest()+e.shift())
		later = max(later, -e.shift())
	}
	return window{w.from - longest, w.to + later}
}

// each gives every occurrence of the master that can be in the window: its start, its additions, and those of its rules.
func (s *series) each(w window, work *work, occurrence func(moment, length) bool) (ok bool) {
	ok = true
	e := s.master
	occurrence(e.start, e.length)
	for _, a := range e.added {
		l := e.length
		if a.hasLength {
			l = a.length
		}
		if !work.take(1) || !occurrence(a.moment, l) {
			return ok
		}
	}
	for _, text := range e.rules {
		r, readable := parseRule(text, e.start)
		if !readable {
			ok = false
			continue
		}
		r.each(w.firstDay(), w.lastDay(), work, func(at wall) bool {
			start := e.start
			start.at = at
			return occurrence(start, e.length)
		})
	}
	return ok
}

// changed returns an occurrence as the last override says that changes it and all that follow, if there is one.
func (s *series) changed(changes []*event, start moment, l length) (*event, moment, length) {
	e, at := s.master, start.instant()
	for _, change := range changes {
		if change.replacesAt <= at {
			e, l = change, change.length
		}
	}
	if e != s.master {
		start.at += wall(e.shift())
	}
	return e, start, l
}

// shift returns by how much an override moves its occurrence, in seconds by the clocks on the wall.
func (e *event) shift() int64 {
	if e.replaces.utc == e.start.utc {
		return int64(e.start.at - e.replaces.at)
	}
	return e.start.instant() - e.replacesAt
}

// isReplaced reports whether an override takes the place of the occurrence at a moment.
func (s *series) isReplaced(at int64) bool {
	_, found := slices.BinarySearchFunc(s.overrides, at, func(e *event, at int64) int { return cmp.Compare(e.replacesAt, at) })
	return found
}

// excludes reports whether an EXDATE takes an occurrence out. A date takes out what begins on it.
func (e *event) excludes(start moment, at int64) bool {
	return e.excludedDays[start.at.dayOf()] || !start.date && e.excludedAt[at] || start.date && e.excludedDates[start.at.dayOf()]
}
