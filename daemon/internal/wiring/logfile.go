package wiring

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/zarafa/presence/daemon/internal/linelog"
)

const (
	// pipeWithin is how long a line waits for somebody to read log.file, if that is a pipe.
	pipeWithin = 50 * time.Millisecond

	// pipeAgain is for how long lines are lost then, before it is tried again.
	pipeAgain = time.Second
)

// logFile is log.file. A pipe that nobody reads from costs lines, and keeps nobody waiting: neither requests that are refused, nor the end of the daemon.
// Not for concurrent use.
type logFile struct {
	*os.File
	lost  int       // lines, that the file is not told of yet
	cut   bool      // the last line is there in part
	again time.Time // when it is tried again
}

// Write implements io.Writer. It takes one line.
func (f *logFile) Write(line []byte) (int, error) {
	if f.lost > 0 && time.Now().Before(f.again) {
		f.lost++
		return len(line), nil
	}
	_ = f.SetWriteDeadline(time.Now().Add(pipeWithin)) // what is no pipe has none, and is waited for
	if f.lost > 0 {
		if _, err := f.File.Write(f.missing(line)); err != nil { // so short a line is written whole or not at all: pipe(7)
			return f.lose(line, err)
		}
		f.lost, f.cut = 0, false
	}
	n, err := f.File.Write(line)
	if err != nil {
		f.cut = n > 0
		return f.lose(line, err)
	}
	return len(line), nil
}

func (f *logFile) lose(line []byte, err error) (int, error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	f.lost++
	f.again = time.Now().Add(pipeAgain)
	return len(line), nil
}

// missing returns a line that says how many others are missing, in the format of the one that comes next. It ends the one before, if that was cut.
func (f *logFile) missing(next []byte) []byte {
	var text bytes.Buffer
	if f.cut {
		text.WriteByte('\n')
	}
	format := linelog.Text
	if next[0] == '{' {
		format = linelog.JSON
	}
	line := slog.NewRecord(time.Now(), slog.LevelWarn, "lines are missing here", 0)
	line.AddAttrs(slog.Int("lines", f.lost))
	_ = format(&text).Handle(context.Background(), line) // a buffer takes everything
	return text.Bytes()
}
