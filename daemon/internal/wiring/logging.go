package wiring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Log is the section log of the configuration.
type Log struct {
	Level  string `koanf:"level" help:"least important messages to log: debug, info, warn or error" choice:"debug,info,warn,error"`
	Format string `koanf:"format" help:"text or json" choice:"text,json"`
	File   string `koanf:"file" help:"file to append to, opened again on SIGHUP; empty means standard error"`
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
	if err := l.validateFile(); err != nil {
		faults = append(faults, fmt.Errorf("log.file: %w", err))
	}
	return errors.Join(faults...)
}

func (l Log) validateFile() error {
	if l.File == "" {
		return nil
	}
	file, err := openToAppend(l.File, 0)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const writeAndSearch = 2 | 1 // W_OK and X_OK of access(2)
	folder := filepath.Dir(l.File)
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

// Logging is an open log.
type Logging struct {
	Logger *slog.Logger

	name string // of the file; empty: standard error
	mu   sync.Mutex
	file *os.File // that is written now
}

// OpenLog opens the log that a valid configuration asks for. Without a file in it, messages go to stderr.
func OpenLog(cfg Log, stderr io.Writer) (*Logging, error) {
	l := &Logging{name: cfg.File}
	if err := l.Reopen(); err != nil {
		return nil, fmt.Errorf("log.file: %w", err)
	}
	if cfg.File != "" {
		stderr = l
	}
	options := &slog.HandlerOptions{Level: levels[cfg.Level]}
	l.Logger = slog.New(slog.NewTextHandler(stderr, options))
	if cfg.Format == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(stderr, options))
	}
	return l, nil
}

// Reopen opens the file again, so that one which has been moved away is left alone. If that fails the old one stays in use.
func (l *Logging) Reopen() error {
	if l.name == "" {
		return nil
	}
	file, err := openToAppend(l.name, os.O_CREATE)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close() // if there is one: the new one is in use already
	l.file = file
	return nil
}

// Write implements io.Writer for the file.
func (l *Logging) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// Close closes the file. Nothing may be logged any more.
func (l *Logging) Close() error {
	if l.name == "" {
		return nil
	}
	return l.file.Close()
}
