package caldav

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// The number of users in TestManyUsers comes from this variable. 10,000 of them take minutes, so it is small without it.
const scaleVariable = "PRESENCE_TEST_CALENDARS"

// calendarOfMany makes a calendar of 200 events: meetings, series, whole days and free ones. The one that is counted from begin is the first.
func calendarOfMany(n int, begin time.Time) []byte {
	const form = "20060102T150405Z"
	var text bytes.Buffer
	text.WriteString(`<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">`)
	for i := range 200 {
		at := begin.AddDate(0, 0, (n+i*3)%180-90).Add(time.Duration(i%5) * time.Hour)
		event := "DTSTART:" + at.Format(form) + "\nDURATION:PT30M"
		switch {
		case i == 0:
			event = "DTSTART:" + begin.Format(form) + "\nDURATION:PT1H"
		case i%10 == 1:
			event = "DTSTART;TZID=Europe/Berlin:20240105T" + fmt.Sprintf("%02d", 1+i%4) + "0000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR\nEXDATE;TZID=Europe/Berlin:20240108T100000"
		case i%10 == 2:
			event = "DTSTART;VALUE=DATE:" + at.AddDate(0, 0, 30).Format("20060102") + "\nTRANSP:TRANSPARENT"
		}
		fmt.Fprintf(&text, `<d:response><d:href>/u%d/work/%d.ics</d:href><d:propstat><d:status>HTTP/1.1 200 OK</d:status><d:prop><c:calendar-data>%s</c:calendar-data></d:prop></d:propstat></d:response>`,
			n, i, calendarText(fmt.Sprintf("UID:%d\nSUMMARY:Meeting number %d\nDESCRIPTION:%s\n%s", i, i, strings.Repeat("x", 60), event)))
	}
	text.WriteString(`</d:multistatus>`)
	return text.Bytes()
}

// crowd is a CalDAV server of many users with 200 events each. The first meeting of each begins a moment after that of the one before.
type crowd struct {
	*httptest.Server
	first time.Time
}

func (c *crowd) begin(n int) time.Time {
	return c.first.Add(time.Duration(n) * 6 * time.Millisecond).Truncate(time.Second)
}

func startCrowd(t testing.TB, first time.Time) *crowd {
	t.Helper()
	c := &crowd{first: first}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.URL.Path, "/u%d/", &n)
		w.WriteHeader(http.StatusMultiStatus)
		body, err := io.ReadAll(r.Body)
		switch {
		case r.Method == "PROPFIND":
			_, _ = fmt.Fprintf(w, `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:s="http://calendarserver.org/ns/"><d:response>`+
				`<d:href>/u%d/work/</d:href><d:propstat><d:status>HTTP/1.1 200 OK</d:status><d:prop><d:resourcetype><c:calendar/></d:resourcetype>`+
				`<s:getctag>1</s:getctag></d:prop></d:propstat></d:response></d:multistatus>`, n)
		case err == nil && bytes.Contains(body, []byte("prop-filter")):
			_, _ = w.Write([]byte(`<d:multistatus xmlns:d="DAV:"/>`))
		default: // all, whatever the window is
			_, _ = w.Write(calendarOfMany(n, c.begin(n)))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// TestManyUsers measures what users with 200 events each cost, over HTTP: the time to load them, the memory, and how late meetings begin.
func TestManyUsers(t *testing.T) {
	t.Parallel()
	users := 50
	if text := os.Getenv(scaleVariable); text != "" {
		users, _ = strconv.Atoi(text)
	}
	server := startCrowd(t, time.Now().Add(8*time.Second+time.Duration(users)*30*time.Millisecond))
	source, _ := newTestSource(t, manyNames(users), func(c *Config) {
		c.URL, c.Message, c.Refresh, c.StaleAfter = server.URL, MessageTitle, 30*time.Minute, time.Hour
	})
	begun := time.Now()
	observer := runSource(t, source)
	for !observer.isSynced() && time.Now().Before(server.first) {
		time.Sleep(10 * time.Millisecond)
	}
	loaded := time.Since(begun)
	if !observer.isSynced() {
		t.Fatalf("%d users are not loaded after %v", users, loaded)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	var late []time.Duration
	observer.note(func() {
		observer.each = func(r domain.Report) {
			var n int
			if _, err := fmt.Sscanf(string(r.User), "u%d@", &n); err == nil && r.Message == "Meeting number 0" {
				late = append(late, time.Since(server.begin(n)))
			}
		}
	})
	time.Sleep(time.Until(server.begin(users).Add(2 * time.Second)))
	observer.stop()
	intervals := 0
	for _, calendar := range source.calendars {
		for i := range calendar.copies {
			intervals += len(calendar.copies[i].intervals)
		}
	}
	if len(late) < users*9/10 {
		t.Fatalf("%d meetings of %d have begun", len(late), users)
	}
	slices.Sort(late)
	p99 := late[len(late)*99/100]
	t.Logf("%d users, %d intervals kept: loaded in %v, heap %d MB, from the system %d MB; %d meetings began, p99 %v late, at most %v", users, intervals,
		loaded.Round(time.Millisecond), memory.HeapInuse>>20, memory.Sys>>20, len(late), p99, late[len(late)-1])
	if p99 >= time.Second || memory.HeapInuse > 400<<20 {
		t.Error("that is too much")
	}
}
