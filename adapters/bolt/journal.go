// Package bolt keeps presences on this machine's disk: a journal in one file of go.etcd.io/bbolt, for one process at a time. What Append has taken
// is on the disk. The daemon uses it with store.kind bolt, which is the default.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/zarafa/presence/ports"
)

var (
	_ ports.Journal = (*Journal)(nil)
	_ ports.Leases  = (*Journal)(nil)
)

// maxEntry is the longest entry or piece, in bytes.
const maxEntry = 64 << 20

// Journal implements ports.Journal.
type Journal struct {
	dir string
	log *slog.Logger

	last     uint64 // the last entry's number; of Append alone
	snapshot header // of Snapshot alone

	mu       sync.Mutex // is held while something is written, and while to is called
	file     *os.File
	db       *bbolt.DB // nil: not open
	to       ports.Replay
	settled  bool // see settle
	panicked bool // in bbolt, which may hold its locks for ever

	following context.Context         //nolint:containedctx // that of Follow
	fail      context.CancelCauseFunc // lets Follow end
}

// New returns a journal in the directory that the configuration says. It touches nothing before Follow.
func New(config Config, log *slog.Logger) (*Journal, error) {
	dir, err := config.Directory()
	if err != nil {
		return nil, fmt.Errorf("store.dir: %w", err)
	}
	return &Journal{dir: dir, log: log}, nil
}

// Shared implements ports.Journal: the directory is one daemon's.
func (*Journal) Shared() bool { return false }

// Limit implements ports.Journal.
func (*Journal) Limit() int { return maxEntry }

// Hold implements ports.Leases: no other daemon shares this journal.
func (*Journal) Hold(ctx context.Context, _ string, work func(context.Context)) { work(ctx) }

// Follow implements ports.Journal. Nothing is written before everything has been read and found undamaged.
func (j *Journal) Follow(ctx context.Context, to ports.Replay) error {
	dir, file, err := openDirectory(ctx, j.dir)
	if err != nil {
		return fmt.Errorf("store.dir: %w", err)
	}
	defer dir.Close() //nolint:errcheck // nothing was written to it
	following, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if err := j.open(following, fail, file, to); err != nil {
		_ = file.Close()
		return err
	}
	<-following.Done()
	j.close()
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Cause(following)
}

// open reads the file, and opens it for writing.
func (j *Journal) open(ctx context.Context, fail context.CancelCauseFunc, file *os.File, to ports.Replay) error {
	began := time.Now()
	loaded, err := load(ctx, file, to, j.log)
	switch {
	case errors.As(err, new(damage)):
		return fmt.Errorf("store.dir: %s is damaged: %w; nothing was changed; restore a backup, or move the file away to begin with an empty store",
			file.Name(), err)
	case err != nil:
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.following, j.fail, j.file, j.to, j.last, j.snapshot = ctx, fail, file, to, loaded.last, loaded.header
	switch err := j.settle(); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		j.log.Warn("store: the disk is full; updates are refused until there is room", "dir", j.dir, "err", err)
	case err != nil:
		return fmt.Errorf("store.dir: %w", err)
	}
	err = j.guarded(func() (err error) {
		j.db, err = bbolt.Open(file.Name(), 0, options(file))
		return err
	})
	if err != nil {
		return fmt.Errorf("store.dir: %s cannot be opened: %w", file.Name(), err)
	}
	page := loaded.meta.pageSize()
	j.log.Info("store loaded", "file", file.Name(), "pieces", loaded.pieces, "entries", loaded.entries,
		"mb", int64(len(loaded.used))*page>>20, "mb_in_use", int64(loaded.inUse)*page>>20, "took", time.Since(began).Round(time.Millisecond))
	to.CaughtUp()
	return nil
}

// close waits for what is being written, and lets the next process in.
func (j *Journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	closing := j.file.Close
	if !j.panicked {
		closing = j.db.Close
	}
	if err := closing(); err != nil {
		j.log.Warn("store: the file was not closed properly", "file", filepath.Join(j.dir, fileName), "err", err)
	}
	j.db = nil
}

// Append implements ports.Journal: the entry is one key, in one transaction that is on the disk when Append returns.
func (j *Journal) Append(ctx context.Context, entry []byte) error {
	if len(entry) > maxEntry {
		return fmt.Errorf("%w: an entry of %d bytes; the journal takes %d", ports.ErrTooLarge, len(entry), maxEntry)
	}
	at := j.last + 1
	change := func(tx *bbolt.Tx) error {
		j.makeRoom(tx.Size())
		return put(tx, key(entryKind, at, 0), entry)
	}
	return j.write(ctx, change, func() {
		j.last = at
		if err := j.to.Entry(at, entry); err != nil {
			j.fail(err)
		}
	})
}

// roomMade is by how much the file grows, in bytes.
const roomMade = 512 << 10

// makeRoom writes zeros behind the part of the file that is used, if little is left there. When a page is written where nothing was yet, the file
// system has to note its place at the next sync, which takes half as long again. If it fails, bbolt finds out what room there is.
func (j *Journal) makeRoom(used int64) {
	if info, err := j.file.Stat(); err == nil && info.Size() < used+roomMade/2 {
		_, _ = j.file.WriteAt(make([]byte, roomMade), info.Size())
	}
}

// write makes a change in a transaction of its own, and calls kept when that is on the disk. With ErrUnavailable nothing was changed; with any other
// error nobody knows, and the journal goes on no more.
func (j *Journal) write(ctx context.Context, change func(tx *bbolt.Tx) error, kept func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	refused := func(err error) error { return fmt.Errorf("%w: store.dir: %s: %w", ports.ErrUnavailable, j.dir, err) }
	switch {
	case ctx.Err() != nil:
		return refused(ctx.Err())
	case j.db == nil || j.following.Err() != nil:
		return refused(errors.New("it is not open"))
	}
	if err := j.settle(); err != nil {
		return refused(err)
	}
	var txid uint64
	err := j.guarded(func() error {
		return j.db.Update(func(tx *bbolt.Tx) error {
			txid = uint64(tx.ID()) //nolint:gosec // it is not negative
			return change(tx)
		})
	})
	switch {
	case err == nil:
		kept()
		return nil
	case errors.Is(err, berrors.ErrInvalidMapping): // it was unmapped, and could not be mapped again
		j.fail(refused(err))
		return refused(err)
	case !j.panicked:
		// The meta page is written last, when the rest is on the disk. Without it there was no transaction; with it, it may or may not be on the
		// disk.
		if newest, unreadable := newestMeta(j.file); unreadable == nil && newest.Txid < txid {
			return refused(err)
		}
	}
	err = fmt.Errorf("store.dir: nobody knows whether the last write to %s is on the disk: %w", j.file.Name(), err)
	j.fail(err)
	return err
}

// settle makes sure, once, that what was read is on the disk. If the last process was killed while it wrote a meta page, or if the disk refused
// that page, it is in the system's memory only, and the disk still needs the pages that the next transaction would write over. So it is written
// again as it is.
func (j *Journal) settle() error {
	if j.settled {
		return nil
	}
	newest, err := newestMeta(j.file)
	if err != nil {
		return err
	}
	offset := int64(newest.Txid%2) * newest.pageSize()
	if _, err := io.Copy(io.NewOffsetWriter(j.file, offset), io.NewSectionReader(j.file, offset, newest.pageSize())); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.settled = true
	return nil
}

// guarded calls bbolt, which may panic: it reads a mapped file, and a disk that cannot be read is a fault of memory there.
func (j *Journal) guarded(call func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			j.panicked = true
			err = fmt.Errorf("bbolt panics: %v", reason)
		}
	}()
	return call()
}
