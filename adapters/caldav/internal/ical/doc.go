// Package ical says when a calendar's user is busy or absent. It reads iCalendar text (RFC 5545) and computes what is in a window of time: recurrences
// with their exceptions and overrides, in the zones that the text names. It is pure: no clock, no network.
//
// It has a reader and a recurrence engine of its own. The libraries that there are have no limits: a rule that never matches keeps them busy up to
// the year 9999, some rules make them panic, and one line that cannot be read costs the whole text. Here a rule is a question about one day (does it
// match?), so that only the days of the window cost time, and all work is counted. The results are compared with those of an independent library:
// see testdata/README.md.
package ical
