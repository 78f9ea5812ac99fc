package ical

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// read reads the lines of an event, and expects intervals as pairs of times.
func expectTimes(t *testing.T, text []byte, want ...string) {
	t.Helper()
	got, _, err := Read(text, optionsOf2026(t))
	if err != nil {
		t.Fatal(err)
	}
	var times []string
	for _, i := range got {
		times = append(times, i.Start.Time().Format(time.RFC3339), i.End.Time().Format(time.RFC3339))
	}
	if strings.Join(times, " ") != strings.Join(want, " ") {
		t.Errorf("the intervals are %v, want %v", times, want)
	}
}

func TestWindowsZonesExist(t *testing.T) {
	for name := range windowsZones {
		if loadLocation(name) == nil {
			t.Errorf("%s is no zone", name)
		}
	}
	if len(windowsZones) < 130 {
		t.Errorf("there are %d zones", len(windowsZones))
	}
}

// A zone is found by its IANA name, by its Windows name, behind a prefix, and by what the text says of it.
func TestZones(t *testing.T) {
	const nine, ten = "2026-07-01T07:00:00Z", "2026-07-01T08:00:00Z"
	for _, id := range []string{
		"Europe/Berlin", "W. Europe Standard Time", "/freeassociation.sourceforge.net/Europe/Berlin", "/example.test/20240101_1/Europe/Berlin",
		"\"Europe/Berlin\"", "nowhere", "../../etc/passwd", "Local", "",
	} {
		expectTimes(t, calendarOf("DTSTART;TZID="+id+":20260701T090000\nDTEND;TZID="+id+":20260701T100000"), nine, ten)
	}
}

const ownZone = `BEGIN:VTIMEZONE
TZID:%
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:-0330
TZOFFSETTO:-0430
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:-0430
TZOFFSETTO:-0330
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE
`

// A zone that the text defines counts if its name says nothing, wherever it stands in the text.
func TestDefinedZone(t *testing.T) {
	text := func(id string) []byte {
		event := "DTSTART;TZID=" + id + ":20260328T090000\nDTEND;TZID=" + id + ":20260328T100000\nRRULE:FREQ=DAILY;COUNT=3"
		calendar := string(calendarOf(event))
		return []byte(strings.Replace(calendar, "END:VCALENDAR", strings.ReplaceAll(ownZone, "%", id)+"END:VCALENDAR", 1))
	}
	expectTimes(t, text("Our zone"), "2026-03-28T13:30:00Z", "2026-03-28T14:30:00Z", "2026-03-29T12:30:00Z", "2026-03-29T13:30:00Z",
		"2026-03-30T12:30:00Z", "2026-03-30T13:30:00Z")
	expectTimes(t, text("Europe/Berlin"), "2026-03-28T08:00:00Z", "2026-03-28T09:00:00Z", "2026-03-29T07:00:00Z", "2026-03-29T08:00:00Z",
		"2026-03-30T07:00:00Z", "2026-03-30T08:00:00Z")
	expectTimes(t, []byte(strings.Replace(string(text("Our zone")), "20260328T090000\r\nDTEND", "20261031T090000\r\nDTEND", 1)))
}

// A time that the clocks show twice is the first one, one that they skip counts from before the gap.
func TestChangeOfClocks(t *testing.T) {
	expectTimes(t, calendarOf("DTSTART;TZID=Europe/Berlin:20261025T020000\nDTEND;TZID=Europe/Berlin:20261025T023000"), "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z")
	expectTimes(t, calendarOf("DTSTART;TZID=Europe/Berlin:20260329T023000\nDURATION:PT1H"), "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z")
	expectTimes(t, calendarOf("DTSTART;TZID=America/New_York:20261101T013000\nDURATION:PT1H"), "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z")
	// A day of the calendar has 23 hours then, and 24 hours are 24.
	expectTimes(t, calendarOf("DTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:P1D"), "2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z")
	expectTimes(t, calendarOf("DTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:PT24H"), "2026-03-28T11:00:00Z", "2026-03-29T11:00:00Z")
}

// An override can change all that follow, too (RFC 5545, 3.2.13).
func TestThisAndFuture(t *testing.T) {
	series := "UID:1\nDTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=Europe/Berlin:20260105T110000\nRRULE:FREQ=WEEKLY;COUNT=4"
	change := "UID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260119T100000\n" +
		"DTSTART;TZID=Europe/Berlin:20260120T150000\nDTEND;TZID=Europe/Berlin:20260120T170000"
	expectTimes(t, calendarOf(series, change), "2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z", "2026-01-12T09:00:00Z", "2026-01-12T10:00:00Z",
		"2026-01-20T14:00:00Z", "2026-01-20T16:00:00Z", "2026-01-27T14:00:00Z", "2026-01-27T16:00:00Z")
	expectTimes(t, calendarOf(series, change+"\nSTATUS:CANCELLED"),
		"2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z", "2026-01-12T09:00:00Z", "2026-01-12T10:00:00Z")
}

// Of two versions of an event the newer counts.
func TestNewerVersion(t *testing.T) {
	old := "UID:1\nSEQUENCE:1\nDTSTART:20260105T100000Z\nDTEND:20260105T110000Z"
	newer := "UID:1\nSEQUENCE:2\nDTSTART:20260105T140000Z\nDTEND:20260105T150000Z"
	for _, text := range [][]byte{calendarOf(old, newer), calendarOf(newer, old)} {
		expectTimes(t, text, "2026-01-05T14:00:00Z", "2026-01-05T15:00:00Z")
	}
}

func TestAdditionalPeriods(t *testing.T) {
	expectTimes(t, calendarOf("DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRDATE;VALUE=PERIOD:20260106T100000Z/PT2H,20260107T100000Z/20260107T103000Z"),
		"2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-06T10:00:00Z", "2026-01-06T12:00:00Z", "2026-01-07T10:00:00Z", "2026-01-07T10:30:00Z")
}

// What kind an event is of, and whether its title is kept.
func TestKindsAndTitles(t *testing.T) {
	const at = "SUMMARY:A title\\, with \\; \\\\ and\\nmore\nDTSTART:20260105T100000Z\nDTEND:20260105T110000Z\n"
	const days = "SUMMARY:At the sea\nDTSTART;VALUE=DATE:20260105\n"
	for _, test := range []struct {
		event string
		kind  Kind
		title string
	}{
		{at, Meeting, "A title, with ; \\ and\nmore"},
		{at + "CLASS:PUBLIC", Meeting, "A title, with ; \\ and\nmore"},
		{at + "CLASS:PRIVATE", Meeting, ""},
		{at + "CLASS:CONFIDENTIAL", Meeting, ""},
		{at + "CLASS:X-SECRET", Meeting, ""},
		{at + "X-MICROSOFT-CDO-BUSYSTATUS:OOF", OutOfOffice, "A title, with ; \\ and\nmore"},
		{at + "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE", AllDay, "A title, with ; \\ and\nmore"},
		{days, AllDay, "At the sea"},
		{days + "X-MICROSOFT-CDO-BUSYSTATUS:OOF", OutOfOffice, "At the sea"},
	} {
		o := optionsOf2026(t)
		got, _, err := Read(calendarOf(test.event), o)
		if err != nil || len(got) != 1 || got[0].Kind != test.kind || got[0].Title != "" {
			t.Errorf("%q is %+v, %v", test.event, got, err)
		}
		o.Titles = true
		if got, _, _ = Read(calendarOf(test.event), o); len(got) != 1 || got[0].Title != test.title {
			t.Errorf("%q is %+v, want the title %q", test.event, got, test.title)
		}
	}
}

// Tentative events count if that is wanted, and so do invitations that are not answered.
func TestTentative(t *testing.T) {
	const at = "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\n"
	for _, event := range []string{"STATUS:TENTATIVE", "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", "ATTENDEE:mailto:alice@example.test",
		"ATTENDEE;PARTSTAT=TENTATIVE:MAILTO:ALICE@example.test", "ATTENDEE;PARTSTAT=NEEDS-ACTION;EMAIL=alice@example.test:urn:uuid:1"} {
		for _, wanted := range []bool{false, true} {
			o := optionsOf2026(t)
			o.Tentative = wanted
			if got, _, err := Read(calendarOf(at+event), o); err != nil || (len(got) == 1) != wanted {
				t.Errorf("%s: %v, %v", event, got, err)
			}
		}
	}
}

// One event that cannot be read does not cost the others.
func TestFaultyEvents(t *testing.T) {
	const good = "DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"
	for _, faulty := range []string{"DTSTART:yesterday", "SUMMARY:x", "DTSTART:20260230T100000Z", "DTSTART:20260105T120000Z\nDTEND:20260105T110000Z",
		"DTSTART:20260105T120000Z\nDURATION:-PT1H", "DTSTART:20260105T120000Z\nDURATION:PT", "DTSTART:20260105T120000Z\nDURATION:P20Y",
		"RECURRENCE-ID:never\nDTSTART:20260105T120000Z"} {
		got, ignored, err := Read(calendarOf("UID:1\n"+faulty, "UID:2\n"+good+"\nno colon\n;\nX;=:\nX;a=\"b:c"), optionsOf2026(t))
		if err != nil || ignored != 1 && faulty != "DTSTART:20260105T120000Z\nDURATION:PT" || len(got) != 1 {
			t.Errorf("%q: %v, %d ignored, %v", faulty, got, ignored, err)
		}
	}
	// Of a series with a rule that is refused, the first occurrence counts.
	for _, rule := range []string{"FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=FORTNIGHTLY", "COUNT=3", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYDAY=XX",
		"FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=DAILY;BYHOUR=24", "FREQ=DAILY;BYEASTER=1", "FREQ=YEARLY;BYDAY=54MO", "FREQ"} {
		got, ignored, err := Read(calendarOf(good+"\nRRULE:"+rule), optionsOf2026(t))
		if err != nil || ignored != 1 || len(got) != 1 {
			t.Errorf("%s: %v, %d ignored, %v", rule, got, ignored, err)
		}
	}
}

// What is no calendar, or only a part of one, is an error: whoever has an earlier copy keeps it.
func TestNoCalendar(t *testing.T) {
	whole := string(calendarOf("DTSTART:20260105T100000Z\nDTEND:20260105T110000Z"))
	if _, _, err := Read([]byte("\ufeff"+strings.ReplaceAll(whole, "\r\n", "\n")), optionsOf2026(t)); err != nil {
		t.Errorf("with a byte order mark: %v", err)
	}
	for text, want := range map[string]error{
		"": ErrNoCalendar, "<html>": ErrNoCalendar, "<a:b>": ErrNoCalendar, "BEGIN:VEVENT\nEND:VEVENT\n": ErrNoCalendar,
		whole[:len(whole)/2]: ErrTruncated, strings.Replace(whole, "END:VEVENT", "END:VTODO", 1): ErrTruncated,
	} {
		if _, _, err := Read([]byte(text), optionsOf2026(t)); !errors.Is(err, want) {
			t.Errorf("Read(%q) = %v, want %v", text, err, want)
		}
	}
}

// Nothing that a text contains makes the reader take long or much memory.
func TestHostileCalendars(t *testing.T) {
	const at = "DTSTART:19000101T000000Z\nDTEND:19000101T000100Z\n"
	repeat := strings.Repeat
	var rules, overrides strings.Builder
	for range 60_000 {
		rules.WriteString("BEGIN:VEVENT\n" + at + "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=9\nEND:VEVENT\n")
	}
	for i := range 20_000 {
		overrides.WriteString("BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:" + time.Unix(int64(i)*60, 0).UTC().Format("20060102T150405Z") + "\n" + at + "END:VEVENT\n")
	}
	texts := map[string]string{
		"rules that never match": "BEGIN:VCALENDAR\n" + rules.String() + "END:VCALENDAR\n",
		"many overrides of many": "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nRRULE:FREQ=HOURLY;BYMINUTE=1,2,3,4,5\n" + at + "END:VEVENT\n" + overrides.String() + "END:VCALENDAR\n",
		"nesting":                "BEGIN:VCALENDAR\n" + repeat("BEGIN:A\n", 1_000_000),
		"one long line":          "BEGIN:VCALENDAR\nX;A=" + repeat("b", 9<<20),
		"one long folded line":   "BEGIN:VCALENDAR\nX:" + repeat("\n b", 3<<20),
		"many parameters":        "BEGIN:VCALENDAR\nX" + repeat(";A=b", 1<<19) + ":\nEND:VCALENDAR\n",
		"many values":            "BEGIN:VCALENDAR\nX;A=" + repeat("b,", 1<<20) + "b:\nEND:VCALENDAR\n",
		"many zones":             "BEGIN:VCALENDAR\n" + repeat("BEGIN:VTIMEZONE\nTZID:x\nBEGIN:STANDARD\nRRULE:FREQ=DAILY\nEND:STANDARD\nEND:VTIMEZONE\n", 30_000) + "END:VCALENDAR\n",
		"every minute":           string(calendarOf(at + "RRULE:FREQ=HOURLY;BYMINUTE=" + minutes())),
		"every minute, free":     string(calendarOf(at + "TRANSP:TRANSPARENT\nRRULE:FREQ=HOURLY;BYMINUTE=" + minutes())),
		"many exceptions":        string(calendarOf(at + "RRULE:FREQ=HOURLY\nEXDATE:" + repeat("20260101T000000Z,", 200_000))),
		"many additions":         string(calendarOf(at + "RDATE:" + repeat("20260101T000000Z,", 200_000))),
		"large":                  repeat("x", MaxBytes+1),
	}
	for name, text := range texts {
		begun := time.Now()
		got, _, err := Read([]byte(text), optionsOf2026(t))
		if took := time.Since(begun); took > 20*time.Second || len(got) > maxIntervals {
			t.Errorf("%s: %d intervals after %v (%v)", name, len(got), took, err)
		} else {
			t.Log(name, took.Round(time.Millisecond), len(got), err)
		}
	}
}

func minutes() string {
	var all []string
	for m := range 60 {
		all = append(all, string(rune('0'+m/10))+string(rune('0'+m%10)))
	}
	return strings.Join(all, ",")
}

// FuzzRead checks that whatever a server sends is read or refused, without a panic and within limits.
func FuzzRead(f *testing.F) {
	names, texts := recordedCalendars(f)
	for _, name := range names {
		f.Add(texts[name])
	}
	f.Add([]byte("BEGIN:VCALENDAR\n" + ownZone + "END:VCALENDAR\n"))
	o := optionsOf2026(f)
	o.Titles = true
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _, err := Read(text, o)
		if err != nil && got != nil {
			t.Errorf("there are intervals beside %v", err)
		}
		for i, one := range got {
			if one.Start >= one.End || one.End.Time().Before(o.From) || !one.Start.Time().Before(o.To) || i > 0 && one.Start < got[i-1].Start {
				t.Errorf("the intervals are %v", got)
			}
		}
	})
}

// FuzzRule checks that a rule's occurrences are in order and not before its start.
func FuzzRule(f *testing.F) {
	for _, rule := range []string{"FREQ=DAILY", "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "FREQ=HOURLY;INTERVAL=5;BYSETPOS=-1;BYMINUTE=1,2"} {
		f.Add(rule, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, start int64) {
		start %= 1 << 36
		r, ok := parseRule(text, moment{at: wall(start), zone: location{time.UTC}})
		if !ok {
			return
		}
		last := wall(start) - 1
		r.each(wall(from2026.Unix()).dayOf(), wall(from2026.Unix()).dayOf()+40, &work{left: 1_000_000}, func(at wall) bool {
			if at <= last {
				t.Errorf("%d comes after %d", at, last)
			}
			last = at
			return true
		})
	})
}

func BenchmarkRead(b *testing.B) {
	_, texts := recordedCalendars(b)
	o := optionsOf2026(b)
	o.To = o.From.Add(14 * 24 * time.Hour)
	text := texts["workdays"]
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := Read(text, o); err != nil {
			b.Fatal(err)
		}
	}
}
