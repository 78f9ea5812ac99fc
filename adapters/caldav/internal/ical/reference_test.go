package ical

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	from2026 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to2026   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func optionsOf2026(t testing.TB) Options {
	t.Helper()
	return Options{From: from2026, To: to2026, Zone: berlin(t), Addresses: []string{"alice@example.test"}}
}

// calendarOf makes a text of the lines of events.
func calendarOf(events ...string) []byte {
	var text strings.Builder
	text.WriteString("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.test//test//EN\n")
	for _, event := range events {
		text.WriteString("BEGIN:VEVENT\n" + strings.TrimSuffix(event, "\n") + "\nEND:VEVENT\n")
	}
	text.WriteString("END:VCALENDAR\n")
	return bytes.ReplaceAll([]byte(text.String()), []byte("\n"), []byte("\r\n"))
}

// recordedCalendars reads events.txt.
func recordedCalendars(t testing.TB) (names []string, texts map[string][]byte) {
	t.Helper()
	content, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	events := make(map[string][]string)
	for _, block := range strings.Split(string(content), "== ")[1:] {
		title, event, _ := strings.Cut(block, "\n")
		if !strings.HasPrefix(title, "+ ") {
			names = append(names, title)
		}
		name := names[len(names)-1]
		if !strings.Contains(event, "UID:") {
			event = "UID:1\n" + event
		}
		events[name] = append(events[name], event)
	}
	texts = make(map[string][]byte)
	for _, name := range names {
		texts[name] = calendarOf(events[name]...)
	}
	return names, texts
}

// recordedTimes reads expected.txt.
func recordedTimes(t testing.TB) map[string][]Interval {
	t.Helper()
	content, err := os.ReadFile("testdata/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	expected := make(map[string][]Interval)
	for line := range strings.Lines(string(content)) {
		name, times, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		expected[name] = []Interval{}
		for one := range strings.FieldsSeq(times) {
			from, to, _ := strings.Cut(one, "-")
			expected[name] = append(expected[name], Interval{Start: timestampOf(parseUnix(t, from)), End: timestampOf(parseUnix(t, to))})
		}
	}
	return expected
}

func parseUnix(t testing.TB, text string) int64 {
	t.Helper()
	unix, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return unix
}

// corrections are what the independent library gets wrong by RFC 5545, with what is right.
var corrections = map[string][]string{
	"the 20th Monday of the year": {"2026-05-18T10:00:00Z", "2026-05-18T11:00:00Z"}, // it finds none
}

// UNTIL includes its moment (RFC 5545, 3.3.10). The library leaves out an occurrence there that is in a zone.
func TestUntilIsIncluded(t *testing.T) {
	const event = "DTSTART;TZID=Europe/Berlin:20260101T080000\nDTEND;TZID=Europe/Berlin:20260101T083000\nRRULE:FREQ=DAILY;UNTIL="
	for until, want := range map[string]int{"20260401T060000Z": 91, "20260401T055959Z": 90, "20260401T080000": 91, "20260401T075959": 90, "20260401": 91} {
		got, _, err := Read(calendarOf(event+until), optionsOf2026(t))
		if err != nil || len(got) != want {
			t.Errorf("until %s: %d occurrences, %v; want %d", until, len(got), err, want)
		}
	}
}

// Of every difficult event, the times are those that an independent library has computed, at every second around every edge of either.
func TestAsIndependentLibrary(t *testing.T) {
	names, texts := recordedCalendars(t)
	expected := recordedTimes(t)
	if len(names) < 60 || len(names) != len(expected) {
		t.Fatalf("there are %d events and %d results", len(names), len(expected))
	}
	for _, name := range names {
		got, ignored, err := Read(texts[name], optionsOf2026(t))
		if err != nil || ignored != 0 {
			t.Errorf("%s: %d ignored, %v", name, ignored, err)
			continue
		}
		want := expected[name]
		if correct, wrong := corrections[name]; wrong {
			want = intervalsOf(t, correct)
		}
		for _, at := range edges(got, want) {
			for _, moment := range []int64{at - 1, at, at + 1} {
				if busy, should := covers(got, moment), covers(want, moment); busy != should {
					t.Errorf("%s: at %s %d intervals, want %d", name, time.Unix(moment, 0).UTC(), busy, should)
				}
			}
		}
	}
}

// intervalsOf reads pairs of times.
func intervalsOf(t testing.TB, times []string) (list []Interval) {
	t.Helper()
	for i := 0; i+1 < len(times); i += 2 {
		var pair [2]int64
		for j := range pair {
			at, err := time.Parse(time.RFC3339, times[i+j])
			if err != nil {
				t.Fatal(err)
			}
			pair[j] = at.Unix()
		}
		list = append(list, Interval{Start: timestampOf(pair[0]), End: timestampOf(pair[1])})
	}
	return list
}

func edges(lists ...[]Interval) (all []int64) {
	for _, list := range lists {
		for _, i := range list {
			all = append(all, i.Start.Time().Unix(), i.End.Time().Unix())
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(at int64) bool { return at < from2026.Unix() || at >= to2026.Unix() })
}

// covers counts the intervals that cover a moment.
func covers(list []Interval, unix int64) (n int) {
	for _, i := range list {
		if at := timestampOf(unix); i.Start <= at && at < i.End {
			n++
		}
	}
	return n
}

// Rules that were made at random have the occurrences that an independent library has computed.
func TestRulesAsIndependentLibrary(t *testing.T) {
	content, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		start, ok := parseMoment(fields[0], location{time.UTC})
		r, ok2 := parseRule(fields[1], start)
		if !ok || !ok2 {
			t.Errorf("%s %s: it was refused", fields[0], fields[1])
			continue
		}
		var got []string
		r.each(wall(from2026.Unix()).dayOf(), wall(to2026.Unix()-1).dayOf(), &work{left: maxWork}, func(at wall) bool {
			if int64(at) >= from2026.Unix() && len(got) < 59 {
				got = append(got, strconv.FormatInt(int64(at), 10))
			}
			return true
		})
		if strings.Join(got, " ") != fields[2] {
			t.Errorf("%s %s:\n got %s\nwant %s", fields[0], fields[1], datesOf(got), datesOf(strings.Fields(fields[2])))
		}
		compared++
	}
	if compared < 500 {
		t.Errorf("only %d rules were compared", compared)
	}
}

func datesOf(unix []string) string {
	var text []string
	for _, one := range unix[:min(len(unix), 8)] {
		n, _ := strconv.ParseInt(one, 10, 64)
		text = append(text, time.Unix(n, 0).UTC().Format("Mon 2006-01-02 15:04"))
	}
	return strconv.Itoa(len(unix)) + ": " + strings.Join(text, ", ")
}
