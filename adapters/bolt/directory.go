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

// lockDirectory makes the directory if it is not there, and keeps other processes out for as long as the returned file is open.
func lockDirectory(ctx context.Context, path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(path) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, err
	}
	if err := lock(ctx, dir, "is in use by another zarafa-presence; stop that one first"); err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// lock keeps other processes from locking a file or a directory for as long as it is open. If another one has it, the error says busy.
func lock(ctx context.Context, file *os.File, busy string) error {
	for deadline := time.Now().Add(lockFor); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s %s", file.Name(), busy)
		}
	}
}

// openFile opens the journal's file in a locked directory, and makes it if the directory is empty.
func openFile(ctx context.Context, dir *os.File) (*os.File, error) {
	name := filepath.Join(dir.Name(), fileName)
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		if err := isEmpty(dir.Name()); err != nil {
			return nil, err
		}
		if err := create(dir, name); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, err
	}
	// The directory is locked, but another program may have the file open, or another daemon by way of a link.
	if err := lock(ctx, file, "cannot be locked: another program has it open"); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
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

// create makes the file of an empty journal. It gets its name when it is whole and on the disk.
func create(dir *os.File, name string) error {
	unfinished := name + newSuffix
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	db, err := bbolt.Open(unfinished, 0o600, options(nil))
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(header{}.put), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return err
	}
	return dir.Sync()
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
