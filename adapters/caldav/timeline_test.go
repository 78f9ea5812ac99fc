package caldav

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
)

// event is an interval that begins and ends so much after a moment.
func eventAt(now time.Time, from, to time.Duration, kind ical.Kind, title string) ical.Interval {
	return ical.Interval{Start: domain.TimestampOf(now.Add(from)), End: domain.TimestampOf(now.Add(to)), Kind: kind, Title: title}
}

func testView() *view {
	return &view{statuses: [3]domain.Status{domain.Busy, domain.Away, domain.Away}, message: MessageTitle, staleAfter: 10 * time.Minute, keep: 24 * time.Hour}
}

func personWith(now time.Time, intervals ...ical.Interval) *person {
	slices.SortFunc(intervals, byStart)
	c := &calendar{user: alice.User, ics: nil, hasCopy: true, asOf: domain.TimestampOf(now), copies: []collection{{intervals: intervals}}}
	return &person{user: alice.User, calendars: []*calendar{c}}
}

// What decides of several events, until when, and when to look again.
func TestWhatDecides(t *testing.T) {
	now := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	const h = time.Hour
	tests := []struct {
		name      string
		intervals []ical.Interval
		want      string // status message until
	}{
		{"nothing", nil, "unavailable  -"},
		{"a meeting", []ical.Interval{eventAt(now, -h, h, ical.Meeting, "A")}, "busy A 10:00"},
		{"a meeting that begins now", []ical.Interval{eventAt(now, 0, h, ical.Meeting, "A")}, "busy A 10:00"},
		{"a meeting that ends now", []ical.Interval{eventAt(now, -h, 0, ical.Meeting, "A")}, "unavailable  -"},
		{"away goes before busy", []ical.Interval{eventAt(now, -h, 9*h, ical.AllDay, "B"), eventAt(now, 0, h, ical.Meeting, "A")}, "away B 18:00"},
		{"the later begun", []ical.Interval{eventAt(now, -2*h, 3*h, ical.Meeting, "A"), eventAt(now, -h, h, ical.Meeting, "B")}, "busy B 10:00"},
		{"one after the other with one message", []ical.Interval{eventAt(now, -h, h, ical.Meeting, "A"), eventAt(now, h, 2*h, ical.Meeting, "A")}, "busy A 11:00"},
		{"one after the other with two messages", []ical.Interval{eventAt(now, -h, h, ical.Meeting, "A"), eventAt(now, h, 2*h, ical.Meeting, "B")}, "busy A 10:00"},
	}
	for _, test := range tests {
		report, _ := testView().says(personWith(now, test.intervals...), domain.TimestampOf(now))
		until := "-"
		if report.Until != 0 {
			until = report.Until.Time().Format("15:04")
		}
		if got := fmt.Sprintf("%v %s %s", report.Status, report.Message, until); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	report, _ := testView().says(personWith(now, eventAt(now, -h, h, ical.OutOfOffice, "A")), domain.TimestampOf(now))
	if report.Activity != domain.Vacation || report.Device != device {
		t.Errorf("an absence is %+v", report)
	}
}

// A copy that could not be renewed becomes stale, and then counts no more. The timeline looks again at both moments.
func TestCopiesAge(t *testing.T) {
	now := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	p := personWith(now, eventAt(now, -time.Hour, 100*time.Hour, ical.Meeting, "A"))
	v := testView()
	for _, test := range []struct {
		after    time.Duration
		failing  bool
		stale    bool
		says     bool
		nextLook time.Duration
	}{
		{0, false, false, true, 10 * time.Minute},
		{11 * time.Minute, false, true, true, 100 * time.Hour},
		{11 * time.Minute, true, true, true, 24 * time.Hour},
		{24 * time.Hour, true, false, false, 0},
	} {
		p.calendars[0].failing = test.failing
		report, next := v.says(p, domain.TimestampOf(now.Add(test.after)))
		if report.Stale != test.stale || (report.Status == domain.Busy) != test.says {
			t.Errorf("after %v: %+v", test.after, report)
		}
		if test.nextLook != 0 && next != domain.TimestampOf(now.Add(test.nextLook)) || test.nextLook == 0 && next != 0 {
			t.Errorf("after %v it looks again at %v", test.after, next)
		}
	}
}

// calendars is a transport that is a CalDAV server with a calendar for everybody, in the bubble of a test. It counts what it is asked.
type calendars struct {
	text  func(user string) string
	asked atomic.Int64
	lists atomic.Int64 // of these, who has calendars, or anything at all
	down  atomic.Bool
	tired atomic.Bool // it asks for a pause of a minute
	takes time.Duration
}

func (c *calendars) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked.Add(1)
	if r.URL.Path == "/" {
		c.lists.Add(1)
	}
	time.Sleep(c.takes)
	if c.down.Load() {
		return nil, io.ErrUnexpectedEOF
	}
	if c.tired.Load() {
		return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}}, Body: http.NoBody, Request: r}, nil
	}
	user, _, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	body := `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:s="http://calendarserver.org/ns/"><d:response><d:href>/` + user +
		`/work/</d:href><d:propstat><d:status>HTTP/1.1 200 OK</d:status><d:prop>`
	if r.Method == "PROPFIND" {
		body += `<d:resourcetype><d:collection/><c:calendar/></d:resourcetype><s:getctag>1</s:getctag>`
	} else {
		body += `<c:calendar-data>` + c.text(user) + `</c:calendar-data>`
	}
	body += `</d:prop></d:propstat></d:response></d:multistatus>`
	return &http.Response{StatusCode: http.StatusMultiStatus, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func manyNames(n int) *names {
	list := make([]domain.Name, n)
	for i := range list {
		list[i] = domain.Name{Text: fmt.Sprintf("u%d", i), User: domain.UserID(fmt.Sprintf("u%d@example.test", i))}
	}
	return namesOf(list...)
}

// Of 10,000 users everybody's meeting begins and ends within a second, and nobody is asked for that.
func TestMeetingsBeginWithoutAPoll(t *testing.T) {
	const users = 10_000
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		begins := func(user string) time.Duration { // between one and two hours from now
			var n int
			_, _ = fmt.Sscanf(user, "u%d", &n)
			return time.Hour + time.Duration(n)*time.Hour/users
		}
		server := &calendars{text: func(user string) string {
			const form = "20060102T150405Z"
			return calendarText("UID:1\nDTSTART:" + now.Add(begins(user)).Format(form) + "\nDTEND:" + now.Add(begins(user)+30*time.Minute).Format(form))
		}}
		source, _ := newTestSource(t, manyNames(users), func(c *Config) {
			c.URL, c.Refresh, c.StaleAfter = "http://dav.example.test", 10_000*time.Hour, 20_000*time.Hour
		})
		source.transport = server
		observer := runSource(t, source)
		synctest.Wait()
		asked := server.asked.Load()
		if !observer.isSynced() || asked < 3*users {
			t.Fatalf("after %d requests it is not in sync", asked)
		}
		changes, worst := 0, time.Duration(0)
		observer.note(func() {
			observer.each = func(r domain.Report) {
				changes++
				should := begins(string(r.User)).Truncate(time.Second)
				if r.Status == domain.Unavailable {
					should += 30 * time.Minute
				}
				worst = max(worst, (time.Since(now) - should).Abs())
			}
		})
		time.Sleep(3 * time.Hour)
		observer.stop()
		if changes != 2*users || worst >= time.Second {
			t.Errorf("%d changes, the latest %v late; want %d", changes, worst, 2*users)
		}
		if more := server.asked.Load() - asked; more > 10 { // those whose turn it is in any case
			t.Errorf("%d requests were made", more)
		}
	})
}

// While the server is away meetings begin and end by the last copies, as stale, for the time that they are kept. Then the Run ends.
func TestMeetingsBeginWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		server := &calendars{text: func(string) string {
			const form = "20060102T150405Z"
			return calendarText("UID:1\nDTSTART:" + now.Add(time.Hour).Format(form) + "\nDURATION:PT1H\nRRULE:FREQ=HOURLY;INTERVAL=2")
		}}
		source, log := newTestSource(t, namesOf(alice), func(c *Config) {
			c.URL, c.Refresh, c.StaleAfter, c.Keep = "http://dav.example.test", 2*time.Minute, 10*time.Minute, 24*time.Hour
		})
		source.transport = server
		observer := runSource(t, source)
		synctest.Wait()
		server.down.Store(true)
		time.Sleep(90 * time.Minute)
		if r := observer.get(alice.User); r.Status != domain.Busy || !r.Stale {
			t.Errorf("while the server is away she is %+v", r)
		}
		time.Sleep(time.Hour)
		if r := observer.get(alice.User); r.Status != domain.Unavailable {
			t.Errorf("after the meeting she is %+v", r)
		}
		if text := log.String(); strings.Count(text, "does not answer") != 1 {
			t.Errorf("the log is %s", text)
		}
		server.down.Store(false)
		time.Sleep(time.Minute)
		if text := log.String(); !strings.Contains(text, "answers again") {
			t.Errorf("the log is %s", text)
		}
		time.Sleep(time.Hour)
		if r := observer.get(alice.User); r.Status != domain.Busy || r.Stale {
			t.Errorf("when the server is back she is %+v", r)
		}
		server.down.Store(true)
		time.Sleep(25 * time.Hour)
		select {
		case err := <-observer.err:
			if !strings.Contains(err.Error(), "lost the CalDAV server dav.example.test") {
				t.Error(err)
			}
		default:
			t.Error("after a day it goes on")
		}
	})
}

// A series goes on for weeks although its calendar never changes, and the server is not asked for it more than once a day.
func TestTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().UTC().Add(time.Hour)
		server := &calendars{text: func(string) string {
			return calendarText("UID:1\nDTSTART:" + begin.Format("20060102T150405Z") + "\nDURATION:PT1H\nRRULE:FREQ=DAILY")
		}}
		source, _ := newTestSource(t, namesOf(alice), func(c *Config) { c.URL, c.Refresh, c.StaleAfter = "http://dav.example.test", time.Hour, 2*time.Hour })
		source.transport = server
		observer := runSource(t, source)
		const days = 20
		begun := 0
		observer.note(func() {
			observer.each = func(r domain.Report) {
				if r.Status == domain.Busy && time.Since(begin)%(24*time.Hour) < time.Second {
					begun++
				}
			}
		})
		time.Sleep(days * 24 * time.Hour)
		observer.stop()
		if begun != days {
			t.Errorf("%d meetings have begun in %d days", begun, days)
		}
		lists := server.lists.Load()
		if asked := server.asked.Load() - lists; asked < days*24 || asked > days*(24*110/100+4*2) {
			t.Errorf("the server was asked %d times", asked)
		}
		if lists > days*24+2 {
			t.Errorf("the server was asked %d times who has calendars", lists)
		}
	})
}

// A CalDAV server that asks for a pause is left alone, by all calendars, and meetings begin in the meantime.
func TestServerAsksForAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		server := &calendars{text: func(string) string {
			return calendarText("UID:1\nDTSTART:" + now.Add(90*time.Second).Format("20060102T150405Z") + "\nDURATION:PT1H")
		}}
		source, log := newTestSource(t, manyNames(100), func(c *Config) { c.URL, c.Refresh = "http://dav.example.test", 10*time.Second })
		source.transport = server
		observer := runSource(t, source)
		time.Sleep(30 * time.Second)
		server.tired.Store(true)
		time.Sleep(15 * time.Second)
		asked := server.asked.Load()
		time.Sleep(30 * time.Second)
		if more := server.asked.Load() - asked; more != 0 {
			t.Errorf("it was asked %d times", more)
		}
		time.Sleep(25 * time.Second) // two minutes are not over
		for i := range 100 {
			if r := observer.get(domain.UserID(fmt.Sprintf("u%d@example.test", i))); r.Status != domain.Busy || r.Stale {
				t.Fatalf("u%d is %+v", i, r)
			}
		}
		server.tired.Store(false)
		time.Sleep(2 * time.Minute)
		if server.asked.Load() < asked+100 || strings.Contains(log.String(), "does not answer") {
			t.Errorf("it was asked %d times, then %d\n%s", asked, server.asked.Load(), log)
		}
		observer.stop()
	})
}

// A server that is too slow for its calendars is asked one after the other, and the log says how old what is known has become.
func TestSlowServer(t *testing.T) {
	for takes, wantSaid := range map[time.Duration]bool{time.Second: true, 100 * time.Millisecond: false} {
		synctest.Test(t, func(t *testing.T) {
			server := &calendars{takes: takes, text: func(string) string { return calendarText(around(time.Hour, 9*time.Hour, "")) }}
			source, log := newTestSource(t, manyNames(100), func(c *Config) { c.URL, c.Refresh = "http://dav.example.test", 10*time.Second })
			source.transport = server
			observer := runSource(t, source)
			time.Sleep(5 * time.Minute)
			if said := strings.Count(log.String(), "less often than calendar.refresh says"); said > 1 || (said == 1) != wantSaid {
				t.Errorf("with %v for an answer it is said %d times\n%s", takes, said, log)
			}
			observer.stop()
		})
	}
}
