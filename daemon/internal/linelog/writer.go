package linelog

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"
)

// writer is the goroutine that writes a log.
type writer struct {
	log    *Log
	to     io.Writer // nil: nothing
	format Format
	broken bool  // what was written last is no whole line
	err    error // of the last write

	missing uint64    // lost lines that the log itself does not tell of yet
	unsaid  uint64    // lost lines that the daemon's log was not told of yet
	said    time.Time // when it was told last
}

// run writes until ctx ends, and then what still waits.
func (w *writer) run(ctx context.Context) {
	defer close(w.log.ended)
	again := time.NewTicker(sayEvery)
	defer again.Stop()
	var memory []byte
	for ctx.Err() == nil {
		select {
		case <-w.log.wake:
			pause(ctx, gather)
		case <-again.C:
		case <-ctx.Done():
		}
		memory = w.writeWaiting(memory[:0]) //nolint:contextcheck // a line that tells of others is written whatever ends
	}
	w.said = time.Time{}
	w.tellTrouble()
	w.use(nil)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// writeWaiting writes what waits, and says what was lost. The memory is for what comes meanwhile; it returns memory for the next time.
func (w *writer) writeWaiting(memory []byte) []byte {
	l := w.log
	l.mu.Lock()
	lines, lost, output := l.waiting, l.lost, l.output
	l.waiting, l.lost, l.inUse, w.format = memory, 0, output, l.format
	l.mu.Unlock()
	w.use(output)
	if output != nil {
		w.tellMissing() // of the time before
		lost += w.write(lines)
		w.missing, w.unsaid = w.missing+lost, w.unsaid+lost
		w.tellMissing()
	}
	w.tellTrouble()
	if cap(lines) > keptWaiting {
		return nil
	}
	return lines
}

// use changes what is written to.
func (w *writer) use(output io.Writer) {
	if output == w.to {
		return
	}
	if before, ok := w.to.(io.Closer); ok {
		_ = before.Close() // what could not be written was told
	}
	w.to, w.broken = output, false
}

// write writes lines, and returns how many it has not.
func (w *writer) write(lines []byte) (lost uint64) {
	if len(lines) == 0 {
		return 0
	}
	if pipe, ok := w.to.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = pipe.SetWriteDeadline(time.Now().Add(writeWithin)) // what is no pipe has none, and is waited for
	}
	if w.broken {
		if _, w.err = w.to.Write([]byte{'\n'}); w.err == nil {
			w.broken = false
		}
	}
	var n int
	if !w.broken {
		if n, w.err = w.to.Write(lines); n > 0 {
			w.broken = lines[n-1] != '\n'
		}
	}
	return uint64(bytes.Count(lines[n:], []byte{'\n'})) //nolint:gosec // it is not negative
}

// tellMissing says in the log itself how many lines are missing. If it cannot, it will be tried again.
func (w *writer) tellMissing() {
	if w.missing == 0 {
		return
	}
	var text bytes.Buffer
	line := slog.NewRecord(time.Now(), slog.LevelWarn, "lines are missing here", 0)
	line.AddAttrs(slog.Uint64("lines", w.missing))
	_ = w.format(&text).Handle(context.Background(), line) // a buffer takes everything
	if w.write(text.Bytes()) == 0 {
		w.missing = 0
	}
}

// tellTrouble tells the daemon's log how many lines were lost, at most once a minute.
func (w *writer) tellTrouble() {
	if w.unsaid == 0 || !w.said.IsZero() && time.Since(w.said) < sayEvery {
		return
	}
	if w.err != nil {
		w.log.trouble.Error(w.log.key+" cannot be written: lines are lost", "lines", w.unsaid, "err", w.err)
	} else {
		w.log.trouble.Warn(w.log.key+" cannot be written quickly enough: lines are lost", "lines", w.unsaid)
	}
	w.said, w.unsaid = time.Now(), 0
}
