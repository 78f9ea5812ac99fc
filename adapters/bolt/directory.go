package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	fileName  = "journal.db"
	newSuffix = ".new" // of a file that is being made
)

// lockFor is how long to wait for another process that has the directory: one that is just ending lets go of it.
const lockFor = time.Second

// openDirectory opens the directory, and the journal's file in it. What is not there is made, unless the directory holds something else. Other
// processes are kept out of both for as long as they are open.
func openDirectory(ctx context.Context, path string) (dir, file *os.File, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, nil, err
	}
	if dir, err = openLocked(ctx, path, os.O_RDONLY, "is in use by another zarafa-presence; stop that one first"); err != nil {
		return nil, nil, err
	}
	name := filepath.Join(path, fileName)
	if _, err = os.Stat(name); errors.Is(err, os.ErrNotExist) {
		err = create(dir, name)
	}
	if err == nil {
		err = isFile(name)
	}
	if err == nil { // another program may have the file open, or another daemon by way of a link
		file, err = openLocked(ctx, name, os.O_RDWR, "cannot be locked: another program has it open")
	}
	if err != nil {
		_ = dir.Close()
		return nil, nil, err
	}
	return dir, file, nil
}

// isFile refuses what is no regular file: to read a pipe would take for ever.
func isFile(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() { // that a directory is none is said when it is opened
		err = fmt.Errorf("%s is not a regular file; name another directory, or an empty one", name)
	}
	return err
}

// Inspect says what would keep a journal from being opened in a directory, as far as that shows without making, locking or reading anything.
func Inspect(path string) error {
	const readWriteSearch = 4 | 2 | 1 // of access(2)
	there := path
	info, err := os.Stat(there)
	for ; errors.Is(err, os.ErrNotExist) && there != filepath.Dir(there); info, err = os.Stat(there) {
		there = filepath.Dir(there)
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", there)
	}
	if err := syscall.Access(there, readWriteSearch); err != nil {
		return fmt.Errorf("this user may not write in %s: %w", there, err)
	}
	if there != path {
		return nil // it would be made
	}
	name := filepath.Join(path, fileName)
	if err := isFile(name); errors.Is(err, os.ErrNotExist) {
		return isEmpty(path)
	} else if err != nil {
		return err
	}
	if err := syscall.Access(name, readWriteSearch&^1); err != nil {
		return fmt.Errorf("this user may not read and write %s: %w", name, err)
	}
	return nil
}

// openLocked opens what no other process has locked. If another one has it, the error says busy.
func openLocked(ctx context.Context, path string, flag int, busy string) (*os.File, error) {
	file, err := os.OpenFile(path, flag, 0) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockFor); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		waits := errors.Is(err, syscall.EWOULDBLOCK)
		switch {
		case err == nil:
			return file, nil
		case ctx.Err() != nil:
			err = ctx.Err()
		case waits && time.Now().Before(deadline):
			continue
		case waits:
			err = fmt.Errorf("%s %s", path, busy)
		}
		_ = file.Close()
		return nil, err
	}
}

// create makes the file of an empty journal in an empty directory. It gets its name when it is whole and on the disk.
func create(dir *os.File, name string) error {
	if err := isEmpty(dir.Name()); err != nil {
		return err
	}
	unfinished := name + newSuffix
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	db, err := bbolt.Open(unfinished, 0o600, options(nil))
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(header{Format: format}.put), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return err
	}
	return dir.Sync()
}

// isEmpty refuses a directory that holds something else than a journal, because then store.dir is wrong, or the journal was lost.
func isEmpty(path string) error {
	entries, err := os.ReadDir(path)
	for _, entry := range entries {
		switch entry.Name() {
		case "jetstream", "zarafa-presence-store":
			return fmt.Errorf("%s was written by an earlier development version, in another format: with that version run "+
				"`zarafa-presence export presences.jsonl`, move the directory away, then run `zarafa-presence import presences.jsonl` with this one", path)
		case fileName + newSuffix, "lost+found":
		default:
			err = fmt.Errorf("%s holds something else than a presence store; name another directory, or an empty one", path)
		}
	}
	return err
}

// options are those for writing. The list of free pages is not kept in the file: it has no sum, and a damaged one would let bbolt write over what
// is in use. With a file, bbolt uses that one.
func options(file *os.File) *bbolt.Options {
	o := &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}
	if file != nil {
		o.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return file, nil }
	}
	return o
}
