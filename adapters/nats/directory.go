package nats

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// The files in a store's directory. The marker says that it is one, and of which format.
const (
	markerName = "zarafa-presence-store"
	markerText = "zarafa-presence store, format 1\n"
	lockName   = "lock"
	streamsDir = "jetstream"
)

// directory is a store's directory, which one process uses at a time.
type directory struct {
	path string
	lock *os.File
}

// openDirectory makes the directory if it is not there, and locks it. A directory that is not a store's is left as it is.
func openDirectory(path string) (*directory, error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("store.dir: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("store.dir: %w", err)
	case len(entries) > 0:
		if err := checkMarker(path); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, fmt.Errorf("store.dir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("store.dir: %s is in use by another zarafa-presence; stop that one first", path)
	}
	if err := os.WriteFile(filepath.Join(path, markerName), []byte(markerText), 0o600); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("store.dir: %w", err)
	}
	return &directory{path: path, lock: lock}, nil
}

// checkMarker refuses a directory with other things in it, or of another format.
func checkMarker(path string) error {
	text, err := os.ReadFile(filepath.Join(path, markerName)) //nolint:gosec // the administrator names it
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("store.dir: %s holds something else than a presence store; name another directory, or an empty one", path)
	case err != nil:
		return fmt.Errorf("store.dir: %w", err)
	case string(text) != markerText:
		return fmt.Errorf("store.dir: %s is a presence store of a format that this version does not know: %.40q", path, text)
	}
	return nil
}

// streams is where the engine keeps its files.
func (d *directory) streams() string { return filepath.Join(d.path, streamsDir) }

// close lets the next one in.
func (d *directory) close() error { return d.lock.Close() }
