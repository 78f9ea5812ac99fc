package command

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tmaxmax/go-sse"
	"pgregory.net/rapid"
)

// readEvents renders every event of a stream, and how it ends.
func readEvents(stream io.Reader) (events []string, err error) {
	for event, err := range eventsOf(stream) {
		if err != nil {
			return events, err
		}
		events = append(events, event.Type+"|"+event.LastEventID+"|"+event.Data)
	}
	return events, nil
}

func TestEvents(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []string
	}{
		{"fields, comments and what is not known", ": hello\nretry: 2000\nevent: presence\nid: 7\nwhatever: x\ndata: {}\n\n", []string{"presence|7|{}"}},
		{"an id holds for those that follow", "id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", []string{"|7|a", "|7|b", "||c"}},
		{"lines end with LF, CR or both", "data: a\r\ndata: b\rdata: c\n\r\n", []string{"||a\nb\nc"}},
		{"only one space is taken away", "data:  a\ndata:b\n\n", []string{"|| a\nb"}},
		{"without data there is no event", "event: presence\n\ndata: a\n\n", []string{"||a"}},
		{"an event that breaks off is none", "data: a\n\ndata: b\n", []string{"||a"}},
		{"nor is a line that does", "data: a\n\ndata: b", []string{"||a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, stream := range []io.Reader{strings.NewReader(test.stream), iotest.OneByteReader(strings.NewReader(test.stream))} {
				if got, err := readEvents(stream); !slices.Equal(got, test.want) || !errors.Is(err, errStreamEnded) && !errors.Is(err, sse.ErrUnexpectedEOF) {
					t.Errorf("%q, %v; want %q", got, err, test.want)
				}
			}
		})
	}
	if _, err := readEvents(strings.NewReader("data: " + strings.Repeat("x", maxEvent+1))); err == nil || errors.Is(err, errStreamEnded) {
		t.Errorf("an endless line ends with %v", err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("event: presence\r\nid: 7\rdata: {}\n\n: x\n")
	f.Fuzz(func(t *testing.T, stream string) {
		whole, _ := readEvents(strings.NewReader(stream))
		parts, _ := readEvents(iotest.OneByteReader(strings.NewReader(stream)))
		if !slices.Equal(whole, parts) {
			t.Errorf("in one piece %q, in pieces %q", whole, parts)
		}
	})
}

func TestRenderScreen(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { since := now.Add(-d); return &since }
	users := []*person{
		{User: "zoe@example.test", Status: "busy", By: "xmpp", Message: "in a meeting", Since: ago(5 * time.Minute)},
		{User: "anna@example.test", Status: "unavailable"},
		{User: "kim@example.test", Status: "available", By: "spreed", Message: "\x1b[2J会議中", Since: ago(3 * time.Hour), Stale: true},
	}
	want := home + "3 users, live; Ctrl-C ends" + clearRest +
		"\r\n" + "USER               STATUS        BY        SINCE   MESSAGE" + clearRest +
		"\r\n" + "zoe@example.test   busy          xmpp      5m      in a meeting" + clearRest +
		"\r\n" + "kim@example.test   available?    spreed    3h       [2J会議中" + clearRest +
		"\r\n" + "anna@example.test  unavailable   -         -       " + clearRest + clearBelow
	if got := renderScreen(users, "", 24, 80, now, true); got != want {
		t.Errorf("the screen shows\n%q\nwant\n%q", got, want)
	}
	if got := renderScreen(users, "lost", 5, 80, now, true); !strings.HasPrefix(got, home+"lost"+clearRest) || !strings.Contains(got, "and 2 more") || strings.Contains(got, "anna") {
		t.Errorf("a low screen shows %q", got)
	}
	if got := renderScreen(users, "", 24, 80, now, false); !strings.Contains(got, colours["busy"]) {
		t.Errorf("a screen with colours is %q", got)
	}
}

// TestScreenFits: whatever users say, no line is wider than the terminal, there are no more lines than it has, and it gets no other
// command than those that draw.
func TestScreenFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(4, 30).Draw(t, "rows"), rapid.IntRange(20, 100).Draw(t, "columns")
		users := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *person {
			return &person{User: rapid.String().Draw(t, "user"), Status: "busy", Message: rapid.String().Draw(t, "message")}
		}), 0, 40).Draw(t, "users")
		screen := renderScreen(users, "", rows, columns, time.Now(), true)
		lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(screen, home), clearBelow), "\r\n")
		if len(lines) > rows {
			t.Fatalf("%d lines on %d rows", len(lines), rows)
		}
		for _, line := range lines {
			line, drawn := strings.CutSuffix(line, clearRest)
			if !drawn || strings.ContainsFunc(line, unprintable) {
				t.Fatalf("a line is %q", line)
			}
		}
	})
}

func TestAge(t *testing.T) {
	now := time.Now()
	for text, d := range map[string]time.Duration{"0s": -time.Hour, "59s": 59 * time.Second, "1m": time.Minute, "47h": 47*time.Hour + time.Minute, "2d": 48 * time.Hour} {
		since := now.Add(-d)
		if got := age(&since, now); got != text {
			t.Errorf("%v ago is %q, want %q", d, got, text)
		}
	}
}

// TestWatch: a line for each change, also after the daemon was away.
func TestWatch(t *testing.T) {
	environ := append([]string{"PRESENCE_AUTH__SERVICES=board@example.test"}, secretEnv...)
	serving := func(listen string) *node {
		n := &node{Cmd: start(t, environ, "serve", "--http.listen="+listen)}
		eventually(t, "the daemon serves", func() bool { return strings.Contains(n.log(), "msg=started") })
		_, rest, _ := strings.Cut(n.log(), "msg=listening url=")
		n.url, _, _ = strings.Cut(rest, "\n")
		return n
	}
	set := func(url, user, status string) {
		t.Helper()
		if got := command(append([]string{"PRESENCE_URL=" + url}, environ...), "set", "--protocol=spreed", user, status, "a message"); got.code != 0 {
			t.Fatalf("set: %+v", got)
		}
	}
	daemon := serving("127.0.0.1:0")
	set(daemon.url, "kim@example.test", "away")
	everybody := start(t, append([]string{"PRESENCE_URL=" + daemon.url}, environ...), "watch")
	one := start(t, append([]string{"PRESENCE_URL=" + daemon.url}, environ...), "watch", "--json", "Anna@example.test")
	shows := func(program *exec.Cmd, text string) {
		t.Helper()
		eventually(t, "watch shows "+text, func() bool { return strings.Contains(program.Stdout.(*output).String(), text) })
	}
	shows(everybody, " kim@example.test away spreed a message\n")
	shows(one, `{"user":"anna@example.test","status":"unavailable"`)
	set(daemon.url, "anna@example.test", "busy")
	shows(everybody, " anna@example.test busy spreed a message\n")
	shows(one, `{"user":"anna@example.test","status":"busy"`)

	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait() // it was killed
	eventually(t, "watch says that it is alone", func() bool { return strings.Contains(everybody.Stderr.(*output).String(), "trying again in") })
	daemon = serving(strings.TrimSuffix(strings.TrimPrefix(daemon.url, "http://"), "/"))
	set(daemon.url, "anna@example.test", "available")
	shows(everybody, " anna@example.test available spreed a message\n")
	shows(one, `{"user":"anna@example.test","status":"available"`)
	for _, program := range []*exec.Cmd{everybody, one} {
		if err := program.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := program.Wait(); err != nil || strings.Contains(program.Stdout.(*output).String(), "kim") != (program == everybody) {
			t.Errorf("interrupted, watch ends with %v and has shown\n%s", err, program.Stdout)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("", 3600))
	for text, want := range map[string]string{
		"15:00":                     "2026-11-22T15:00:00+01:00",
		"12:00":                     "2026-11-23T12:00:00+01:00",
		"2026-12-24T15:00:00-05:00": "2026-12-24T15:00:00-05:00",
		"2026-12-24t15:00:00z":      "2026-12-24T15:00:00Z",
		"2026-12-24T15:00:00,5Z":    "",
		"2026-12-24T15:00":          "2026-12-24T15:00:00+01:00",
		"2026-12-24T15:00:30":       "2026-12-24T15:00:30+01:00",
		"2026-12-24 15:00":          "2026-12-24T15:00:00+01:00",
		"":                          "",
		"noon":                      "",
		"25:00":                     "",
	} {
		at, err := timeAfter(now, text)
		if got := at.Format(time.RFC3339); (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("until %q: %s, %v; want %s", text, got, err, want)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[string]string{ // on 25 October 2026 the clocks go back from 03:00 to 02:00
		"2026-10-24T23:00:00+02:00": "2026-10-25T02:30:00+02:00",
		"2026-10-25T02:15:00+02:00": "2026-10-25T02:30:00+02:00",
		"2026-10-25T02:30:00+02:00": "2026-10-25T02:30:00+01:00",
		"2026-10-25T02:45:00+02:00": "2026-10-25T02:30:00+01:00",
		"2026-10-25T02:15:00+01:00": "2026-10-25T02:30:00+01:00",
		"2026-10-25T02:45:00+01:00": "2026-10-26T02:30:00+01:00",
		"2026-10-24T02:45:00+02:00": "2026-10-25T02:30:00+02:00",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := timeAfter(at.In(berlin), "02:30")
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("at %s, 02:30 is %s, %v; want %s", now, got.Format(time.RFC3339), err, want)
		}
	}
	if at, err := timeIn(now, "1h"); err != nil || !at.Equal(now.Add(time.Hour)) {
		t.Errorf("for an hour: %v, %v", at, err)
	}
}
