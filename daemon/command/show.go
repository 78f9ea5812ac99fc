package command

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"github.com/zarafa/presence/domain"
)

// newShow chooses how changes are shown.
func newShow(out, problems io.Writer, asJSON, plain bool) show {
	if file, ok := out.(*os.File); ok && !asJSON && isatty.IsTerminal(file.Fd()) {
		return newTableShow(file, plain)
	}
	return &lineShow{out: out, problems: problems, asJSON: asJSON}
}

// lineShow prints a line for each change.
type lineShow struct {
	out, problems io.Writer
	asJSON        bool
}

func (s *lineShow) forget() {}
func (s *lineShow) end()    {}

func (s *lineShow) presence(user *person, document string) {
	line := escapeTerminal(document)
	if !s.asJSON { // when it changed, who, what, on which protocol, and the message
		since := "-"
		if user.Since != nil {
			since = user.Since.Format(time.RFC3339)
		}
		line = fmt.Sprintf("%s %s %s %s %s", since, user.User, user.Status, cmp.Or(user.By, "-"), user.text())
		line = strings.TrimRight(printable(line), " ")
	}
	_, _ = fmt.Fprintln(s.out, line) // if it fails whoever reads it has gone, which ends the program
}

func (s *lineShow) connection(text string) {
	if text != "" {
		_, _ = fmt.Fprintln(s.problems, "zarafa-presence: "+printable(text))
	}
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearRest   = "\x1b[K"
	clearBelow  = "\x1b[J"
	colourOff   = "\x1b[0m"
)

// colours of the statuses, and of what is less important.
var colours = map[string]string{"available": "\x1b[32m", "busy": "\x1b[31m", "away": "\x1b[33m", "unavailable": "\x1b[90m"}

// tableShow draws a table, some times a second at most. One goroutine draws, and has what is drawn.
type tableShow struct {
	terminal *os.File
	plain    bool // no colours
	users    map[string]*person
	trouble  string

	changes chan func()
	drawing sync.WaitGroup
}

func newTableShow(terminal *os.File, plain bool) *tableShow {
	s := &tableShow{terminal: terminal, plain: plain, users: make(map[string]*person), changes: make(chan func())}
	_, _ = io.WriteString(terminal, enterScreen)
	s.drawing.Go(s.draw)
	return s
}

func (s *tableShow) forget() { s.changes <- func() { clear(s.users) } }
func (s *tableShow) presence(user *person, _ string) {
	s.changes <- func() { s.users[user.User] = user }
}
func (s *tableShow) connection(text string) { s.changes <- func() { s.trouble = text } }

func (s *tableShow) end() {
	close(s.changes)
	s.drawing.Wait()
	_, _ = io.WriteString(s.terminal, leaveScreen)
}

// draw draws what has changed, and everything once a second, for the times and for another size of the terminal.
func (s *tableShow) draw() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for drawn := (time.Time{}); ; {
		select {
		case change, more := <-s.changes:
			if !more {
				return
			}
			change()
			drawn = time.Time{}
		case now := <-ticker.C:
			if now.Sub(drawn) >= time.Second {
				drawn = now
				rows, columns := terminalSize(s.terminal)
				_, _ = io.WriteString(s.terminal, renderScreen(slices.Collect(maps.Values(s.users)), s.trouble, rows, columns, now, s.plain))
			}
		}
	}
}

// terminalSize returns the usual one if the terminal does not say.
func terminalSize(terminal *os.File) (rows, columns int) {
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Row == 0 || size.Col == 0 {
		return 24, 80
	}
	return int(size.Row), int(size.Col)
}

// renderScreen is everything that is on the terminal: a title, the users, those who can be reached first, and what does not fit in.
func renderScreen(users []*person, trouble string, rows, columns int, now time.Time, plain bool) string {
	rank := func(user *person) domain.Status {
		status, _ := domain.ParseStatus(user.Status) // check has looked
		return status
	}
	slices.SortFunc(users, func(a, b *person) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a.User, b.User))
	})
	width := len("USER")
	for _, user := range users {
		width = max(width, runewidth.StringWidth(user.User))
	}
	widths := []int{min(width, max(columns/2, 10)), 12, 8, 6}
	screen := home
	line := func(colour string, cells ...string) {
		for i := range len(cells) - 1 {
			cells[i] = runewidth.FillRight(runewidth.Truncate(cells[i], widths[i], "…"), widths[i])
		}
		text := runewidth.Truncate(printable(strings.Join(cells, "  ")), columns, "…")
		if colour != "" && !plain {
			text = colour + text + colourOff
		}
		screen += text + clearRest
	}
	line("", cmp.Or(trouble, plural(len(users), "user")+", live; Ctrl-C ends"))
	screen += "\r\n"
	line("\x1b[1m", "USER", "STATUS", "BY", "SINCE", "MESSAGE")
	room := max(rows-3, 1)
	for i, user := range users {
		screen += "\r\n"
		if i == room-1 && len(users) > room {
			line("", fmt.Sprintf("and %d more", len(users)-i))
			break
		}
		status := user.Status
		if user.Stale {
			status += "?"
		}
		line(colours[user.Status], user.User, status, cmp.Or(user.By, "-"), age(user.Since, now), user.text())
	}
	return screen + clearBelow
}

// age is how long ago something was, in the largest unit that it fills.
func age(since *time.Time, now time.Time) string {
	if since == nil {
		return "-"
	}
	switch d := max(now.Sub(*since), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
