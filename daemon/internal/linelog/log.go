// Package linelog writes the logs beside the daemon's own: who has asked for what (log.access), and who has set what (log.audit). Whoever logs never
// waits for the disk. Package wiring opens and closes them.
package linelog

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting is how many bytes may wait to be written. Lines beyond that are lost, and counted.
	maxWaiting = 8 << 20

	// keptWaiting is for how many bytes memory is kept.
	keptWaiting = 256 << 10

	// gather is how long lines are gathered, so that many of them are one write.
	gather = 20 * time.Millisecond

	// sayEvery is how often the daemon's log may say that lines are lost.
	sayEvery = time.Minute

	// writeWithin is how long a pipe is waited for that nobody reads from.
	writeWithin = 400 * time.Millisecond

	// closeWithin is how long Close waits at most.
	closeWithin = 500 * time.Millisecond
)

// Log is a log of lines, which is off until Configure. It may be used concurrently.
type Log struct {
	Logger *slog.Logger // takes lines of the level info; nothing while the log is off

	key     string // of the configuration
	trouble *slog.Logger
	handler atomic.Pointer[slog.Handler] // nil: off
	wake    chan struct{}                // holds one token while there is something to do
	begin   sync.Once
	ended   chan struct{}
	ctx     context.Context //nolint:containedctx // of the goroutine that writes, which Configure begins
	end     context.CancelFunc

	mu      sync.Mutex // held for moments, never during a write
	waiting []byte
	lost    uint64    // lines that there was no room for
	output  io.Writer // nil: off
	inUse   io.Writer // that the goroutine has, and closes
	format  Format
}

// Format makes the handler that renders lines.
type Format func(io.Writer) slog.Handler

// Text renders lines as key=value, and JSON as objects.
func Text(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// JSON is like Text.
func JSON(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

// New makes a log that is off, for the given key of the configuration. It tells trouble about lines that are lost. It is to be closed. Nothing
// of it runs before it is on for the first time.
func New(key string, trouble *slog.Logger) *Log {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Log{key: key, trouble: trouble, wake: make(chan struct{}, 1), ended: make(chan struct{}), ctx: ctx, end: cancel}
	l.Logger = slog.New(handlerWhileOn{l})
	return l
}

// Configure has lines rendered in a format and written to output from now on. The log closes the one before, if it is an io.Closer. No output turns the
// log off. Lines that wait go to the new output. It does not block.
func (l *Log) Configure(output io.Writer, format Format) {
	l.mu.Lock()
	before := l.output
	neverUsed := before != l.inUse && before != output
	l.output, l.format = output, format
	l.mu.Unlock()
	if closer, ok := before.(io.Closer); ok && neverUsed {
		_ = closer.Close() // nothing was written to it
	}
	if output == nil {
		l.handler.Store(nil)
	} else {
		l.begin.Do(func() { go (&writer{log: l}).run(l.ctx) })
		handler := format(queue{l})
		l.handler.Store(&handler)
	}
	l.signal()
}

// Close writes what waits, for half a second at most, and closes the output.
func (l *Log) Close() error {
	l.end()
	l.begin.Do(func() { close(l.ended) }) // it was never on
	select {
	case <-l.ended:
		return nil
	case <-time.After(closeWithin):
		return errors.New(l.key + ": what was to be logged could not be written in time")
	}
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// queue is what handlers write to: it never blocks.
type queue struct{ log *Log }

// Write implements io.Writer. It takes one line.
func (q queue) Write(line []byte) (int, error) {
	l := q.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting)+len(line) > maxWaiting {
		l.lost++
		return len(line), nil
	}
	if len(l.waiting) == 0 {
		l.signal()
	}
	l.waiting = append(l.waiting, line...)
	return len(line), nil
}

// handlerWhileOn is a handler that is there only while the log is on.
type handlerWhileOn struct{ log *Log }

// Enabled implements slog.Handler.
func (h handlerWhileOn) Enabled(context.Context, slog.Level) bool { return h.log.handler.Load() != nil }

// Handle implements slog.Handler.
func (h handlerWhileOn) Handle(ctx context.Context, line slog.Record) error {
	if handler := h.log.handler.Load(); handler != nil {
		return (*handler).Handle(ctx, line)
	}
	return nil
}

// WithAttrs implements slog.Handler. Nobody calls it.
func (h handlerWhileOn) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler. Nobody calls it.
func (h handlerWhileOn) WithGroup(string) slog.Handler { return h }
