package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/zarafa/presence/daemon/internal/linelog"
)

// Log is the section log of the configuration.
type Log struct {
	Level  string `koanf:"level" help:"least important messages to log: debug, info, warn or error" choice:"debug,info,warn,error"`
	Format string `koanf:"format" help:"text or json" choice:"text,json"`
	File   string `koanf:"file" help:"file to append to, opened again on SIGHUP; empty means standard error"`
	Access string `koanf:"access" help:"file to append a line for each request to, in log.format, opened again on SIGHUP; - is standard error; empty: off"`
	Audit  string `koanf:"audit" help:"file to append a line of JSON to for each presence that a client has set, taken away or imported, or was not allowed to, opened again on SIGHUP; - is standard error; empty: off"`
}

// DefaultLog returns the defaults.
func DefaultLog() Log { return Log{Level: "info", Format: "text"} }

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// Validate refuses a level or a format that there is not, and a file that could not be appended to. It makes none.
func (l Log) Validate() error {
	var faults []error
	if _, ok := levels[l.Level]; !ok {
		faults = append(faults, fmt.Errorf("log.level: must be debug, info, warn or error; it is %q", l.Level))
	}
	if l.Format != "text" && l.Format != "json" {
		faults = append(faults, fmt.Errorf("log.format: must be text or json; it is %q", l.Format))
	}
	for _, file := range []struct{ key, name string }{{"log.file", l.File}, {keyAccess, notStderr(l.Access)}, {keyAudit, notStderr(l.Audit)}} {
		if err := validateFile(file.name); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file.key, err))
		}
	}
	return errors.Join(faults...)
}

const (
	keyAccess = "log.access"
	keyAudit  = "log.audit"

	toStderr = "-" // instead of a file's name
)

func notStderr(name string) string {
	if name == toStderr {
		return ""
	}
	return name
}

func validateFile(name string) error {
	if name == "" {
		return nil
	}
	file, err := openToAppend(name, 0)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const writeAndSearch = 2 | 1 // W_OK and X_OK of access(2)
	folder := filepath.Dir(name)
	if err := syscall.Access(folder, writeAndSearch); err != nil {
		return fmt.Errorf("it cannot be made in %s: %w", folder, err)
	}
	return nil
}

// openToAppend opens a log file. It does not wait for somebody to read a pipe.
func openToAppend(name string, flag int) (*os.File, error) {
	const mode = 0o640                                                                    // a group of operators may read the log
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK|flag, mode) //nolint:gosec // the administrator says which
	if errors.Is(err, syscall.ENXIO) {
		err = fmt.Errorf("%s is a pipe that nobody reads", name)
	}
	return file, err
}

// Logging is an open log, which can be changed while it is written.
type Logging struct {
	Logger *slog.Logger
	Access *linelog.Log // of requests
	Audit  *linelog.Log // of who has set what

	level  slog.LevelVar
	json   atomic.Bool
	stderr io.Writer

	mu   sync.Mutex
	now  Log
	file *os.File // that is written; nil: standard error
}

// OpenLog opens the log that a valid configuration asks for. Without a file in it, messages go to stderr.
func OpenLog(cfg Log, stderr io.Writer) (*Logging, error) {
	l := &Logging{stderr: stderr}
	options := &slog.HandlerOptions{Level: &l.level}
	l.Logger = slog.New(handler{l, slog.NewTextHandler(l, options), slog.NewJSONHandler(l, options)})
	apply, err := l.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	l.Access, l.Audit = linelog.New(keyAccess, l.Logger), linelog.New(keyAudit, l.Logger)
	apply()
	return l, nil
}

// Prepare opens the files that a valid configuration asks for, also if they are the present ones: those may have been moved away. What it returns puts the
// configuration into effect, and has to be called.
func (l *Logging) Prepare(cfg Log) (apply func(), err error) {
	var file *os.File
	if cfg.File != "" {
		if file, err = openToAppend(cfg.File, os.O_CREATE); err != nil {
			return nil, fmt.Errorf("log.file: %w", err)
		}
	}
	access, err := l.lines(keyAccess, cfg.Access)
	if err != nil {
		return nil, errors.Join(err, closeFile(file))
	}
	audit, err := l.lines(keyAudit, cfg.Audit)
	if err != nil {
		if closer, ok := access.(io.Closer); ok {
			_ = closer.Close()
		}
		return nil, errors.Join(err, closeFile(file))
	}
	return func() {
		l.level.Set(levels[cfg.Level])
		l.json.Store(cfg.Format == "json")
		format := linelog.Text
		if cfg.Format == "json" {
			format = linelog.JSON
		}
		l.Access.Configure(access, format)
		l.Audit.Configure(audit, linelog.JSON)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.file != nil {
			_ = l.file.Close() // the new one is in use already
		}
		l.now, l.file = cfg, file
	}, nil
}

// lines opens what the lines of another log go to: nil if it is to be off.
func (l *Logging) lines(key, name string) (io.Writer, error) {
	switch name {
	case "":
		return nil, nil
	case toStderr:
		return stderr{l}, nil
	}
	file, err := openToAppend(name, os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return file, nil
}

// stderr is standard error, where the daemon's own log may be written at the same time. Nobody closes it.
type stderr struct{ log *Logging }

// Write implements io.Writer.
func (s stderr) Write(p []byte) (int, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.stderr.Write(p)
}

func closeFile(file *os.File) error {
	if file == nil {
		return nil
	}
	return file.Close()
}

// Reopen opens the files again, so that one which has been moved away is left alone. If that fails the old ones stay in use.
func (l *Logging) Reopen() error {
	l.mu.Lock()
	now := l.now
	l.mu.Unlock()
	apply, err := l.Prepare(now)
	if err == nil {
		apply()
	}
	return err
}

// Write implements io.Writer for the handlers.
func (l *Logging) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return l.file.Write(p)
	}
	return l.stderr.Write(p)
}

// Close writes what still waits, for a second at most, and closes the files. Nothing may be logged any more.
func (l *Logging) Close() error {
	for _, lines := range []*linelog.Log{l.Access, l.Audit} {
		if err := lines.Close(); err != nil {
			l.Logger.Warn("the end of a log is missing", "err", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// handler writes in the format that the log has when a line is written.
type handler struct {
	log        *Logging
	text, json slog.Handler
}

func (h handler) now() slog.Handler {
	if h.log.json.Load() {
		return h.json
	}
	return h.text
}

// Enabled implements slog.Handler.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.now().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, line slog.Record) error {
	return h.now().Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.log, h.text.WithAttrs(attrs), h.json.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.log, h.text.WithGroup(name), h.json.WithGroup(name)}
}
