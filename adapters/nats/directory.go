package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The files in a store's directory. The marker says that it is one, and of which format.
const (
	markerName = "zarafa-presence-store"
	markerText = "zarafa-presence store, format 1\n"
	lockName   = "lock"
	bootName   = "boot" // during which run of the machine the engine was last started here
	streamsDir = "jetstream"
	usedName   = "in-use" // is there as soon as the engine has made all streams
)

// directory is a store's directory, which one process uses at a time.
type directory struct {
	path string
	lock *os.File
}

// openDirectory makes the directory if it is not there, locks it, and looks at what is in it. A directory that is not a store's, or is
// damaged, is left as it is.
func openDirectory(path string, log *slog.Logger) (*directory, error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = os.MkdirAll(path, 0o700)
	case err == nil && len(entries) > 0:
		if err := checkMarker(path); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = writeMarker(path)
	}
	if err != nil {
		return nil, fmt.Errorf("store.dir: %w", err)
	}
	d := &directory{path: path}
	if d.lock, err = lockDirectory(path); err != nil {
		return nil, err
	}
	if err := d.verify(log); err != nil {
		_ = d.close()
		return nil, err
	}
	if err := d.noteBoot(); err != nil { // an old note serves: it is not of any later run either
		log.Warn("store.dir: the run of the machine cannot be noted; after a power failure the store may have to be restored from a backup", "err", err)
	}
	return d, nil
}

// writeMarker marks the directory, unless it is marked already.
func writeMarker(path string) error {
	file := filepath.Join(path, markerName)
	if old, err := os.ReadFile(file); err == nil && string(old) == markerText { //nolint:gosec // in store.dir
		return nil
	}
	return os.WriteFile(file, []byte(markerText), 0o600)
}

// noteBoot notes during which run of the machine the engine is started. On a full disk, too, there is either the old note or the new one.
func (d *directory) noteBoot() error {
	file, id := filepath.Join(d.path, bootName), bootID()
	if id == "" {
		return errors.New("the kernel does not tell its boot_id; with systemd ProcSubset= must be all")
	}
	if old, err := os.ReadFile(file); err == nil && string(old) == id { //nolint:gosec // in store.dir
		return nil
	}
	err := writeSynced(file+".new", id)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		_ = os.Remove(file + ".new")
	}
	return err
}

// writeSynced writes a file, and returns when it is on the disk.
func writeSynced(name, text string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // in store.dir
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// lockDirectory keeps other processes out for as long as the file is open.
func lockDirectory(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, fmt.Errorf("store.dir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("store.dir: %s is in use by another zarafa-presence; stop that one first", path)
	}
	return lock, nil
}

// verify refuses a store that has lost something.
func (d *directory) verify(log *slog.Logger) error {
	const advice = "nothing was changed; restore a backup, or move the directory away to begin with an empty store"
	if _, err := os.Stat(filepath.Join(d.path, usedName)); err == nil {
		for _, needed := range []string{"KV_*", "*" + journalSuffix} {
			if found, err := glob(d.streams(), "jetstream/*/streams/"+needed); err != nil || len(found) == 0 {
				return fmt.Errorf("store.dir: %s is damaged: the stream %s is missing; %s", d.path, needed, advice)
			}
		}
	}
	before, _ := os.ReadFile(filepath.Join(d.path, bootName)) // not there: nothing is known of a power failure
	now := bootID()
	restarted, lost := len(before) > 0 && now != "" && string(before) != now, false
	err := verifyStreams(d.streams(), func(found *damage) bool {
		what := found.explanation(restarted)
		if what != "" {
			log.Warn("store: "+what, "err", found)
			lost = true
		}
		return what != ""
	})
	if err != nil {
		return fmt.Errorf("store.dir: %w; %s", err, advice)
	}
	if restarted || lost {
		return d.removeIndexes()
	}
	return nil
}

// removeIndexes lets the engine look at all records anew when it starts: what it has noted of a stream may have come to the disk, and the records
// not.
func (d *directory) removeIndexes() error {
	indexes, err := glob(d.streams(), "jetstream/*/streams/*/msgs/"+indexName)
	for _, index := range indexes {
		err = errors.Join(err, os.Remove(index))
	}
	if err != nil {
		return fmt.Errorf("store.dir: %w", err)
	}
	return nil
}

// used notes that all streams are there.
func (d *directory) used() error {
	return os.WriteFile(filepath.Join(d.path, usedName), nil, 0o600)
}

// touch makes the disk do something, and returns when that is done, or has failed.
func (d *directory) touch() {
	now := time.Now()
	if err := os.Chtimes(d.lock.Name(), now, now); err == nil {
		_ = d.lock.Sync()
	}
}

// checkMarker refuses a directory with other things in it, or of another format.
func checkMarker(path string) error {
	text, err := os.ReadFile(filepath.Join(path, markerName)) //nolint:gosec // the administrator names it
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("store.dir: %s holds something else than a presence store; name another directory, or an empty one", path)
	case err != nil:
		return fmt.Errorf("store.dir: %w", err)
	case len(text) == 0: // it has come no further than to make this file
		return nil
	case string(text) != markerText:
		return fmt.Errorf("store.dir: %s is a presence store of a format that this version does not know: %.40q", path, text)
	}
	return nil
}

// streams is where the engine keeps its files.
func (d *directory) streams() string { return filepath.Join(d.path, streamsDir) }

// close lets the next one in.
func (d *directory) close() error { return d.lock.Close() }
