package command

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
)

// redraw is how long what was drawn stays.
const redraw = 100 * time.Millisecond

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

// draw draws something, unless it has done so a moment ago.
func (p *progress) draw(format string, args ...any) {
	if !p.live || time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	_, _ = fmt.Fprintf(p.to, clearLine+format, args...)
}

// say takes away what was drawn and prints a line.
func (p *progress) say(format string, args ...any) {
	p.clear()
	_, _ = fmt.Fprintln(p.to, printable(fmt.Sprintf(format, args...)))
}

// clear takes away what was drawn.
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
