// Package caldav is the source of the protocol calendar: who is in a meeting or absent, by what calendars say. It reads the calendars of many users with
// one account of a CalDAV server (RFC 4791), and single calendars that have a secret address (.ics).
//
// Two things go on in a Run, in one goroutine that owns all state (run.go):
//
//   - Polling (poll.go): each calendar is looked at once in calendar.refresh, and read if it has changed. A few goroutines do the requests (fetch.go).
//   - The timeline (person.go): of every user it is known when the next meeting begins or ends, so nobody is asked then.
//
// The copies of the calendars outlive a Run. While the server is away the timeline goes on with them, for calendar.keep.
package caldav
