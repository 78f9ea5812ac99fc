package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

const (
	barWidth = 30
	redraw   = 100 * time.Millisecond
)

// progress shows on a terminal how far something is. Elsewhere it says nothing until the end.
type progress struct {
	to    io.Writer
	live  bool // to is a terminal
	drawn time.Time
}

func newProgress(to io.Writer) *progress {
	file, ok := to.(*os.File)
	return &progress{to: to, live: ok && isatty.IsTerminal(file.Fd())}
}

const clearLine = "\r\x1b[K"

// at shows that a part of the whole is done, unless it has shown something a moment ago.
func (p *progress) at(what string, done, whole int64) {
	if !p.live || time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	done = min(done, whole)
	percent := int64(100)
	if whole > 0 {
		percent = done * 100 / whole
	}
	full := int(percent) * barWidth / 100
	_, _ = fmt.Fprintf(p.to, "%s%s [%s%s] %d%%", clearLine, what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent)
}

// count shows how many things are done, unless it has shown something a moment ago.
func (p *progress) count(what string, n int) {
	if !p.live || time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	_, _ = fmt.Fprintf(p.to, "%s%s: %d", clearLine, what, n)
}

// say takes the bar away and prints a line.
func (p *progress) say(format string, args ...any) {
	p.clear()
	_, _ = fmt.Fprintln(p.to, printable(fmt.Sprintf(format, args...)))
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.live {
		_, _ = io.WriteString(p.to, clearLine)
	}
}

// plural returns a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
