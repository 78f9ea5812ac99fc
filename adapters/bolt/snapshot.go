package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/zarafa/presence/ports"
)

// removedAtOnce is how many keys are removed in one transaction, so that Append waits for some milliseconds only.
const removedAtOnce = 500

// Snapshot implements ports.Journal. Each piece is written in a transaction of its own, then one more makes them the snapshot. What is not needed any
// longer is removed afterwards. If that is interrupted the next call does it.
func (j *Journal) Snapshot(ctx context.Context, at uint64, next func() ([]byte, error)) error {
	j.mu.Lock()
	last, present := j.last, j.snapshot.at
	j.mu.Unlock()
	if at > last {
		return fmt.Errorf("a snapshot cannot stand for entries up to %d: the last one is %d", at, last)
	}
	if err := j.tidy(ctx); err != nil || at <= present {
		return err
	}
	err := j.replace(ctx, at, next)
	tidied := j.tidy(ctx) // also of a snapshot that failed: its pieces take away the room for entries
	if err == nil && tidied != nil {
		j.log.Warn("store: what the snapshot stands for could not be removed, the next one will try again", "dir", j.dir, "err", tidied)
	}
	return err
}

// replace writes the pieces, and makes them the snapshot.
func (j *Journal) replace(ctx context.Context, at uint64, next func() ([]byte, error)) error {
	made := header{at: at}
	for ; ; made.pieces++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(piece) > maxEntry {
			return fmt.Errorf("%w: a piece of %d bytes; the journal takes %d", ports.ErrTooLarge, len(piece), maxEntry)
		}
		j.mu.Lock()
		err = j.write(func(tx *bbolt.Tx) error { return put(tx, key(pieceKind, at, made.pieces), piece) })
		j.mu.Unlock()
		if err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.write(made.put)
	if err == nil {
		j.snapshot = made
	}
	return err
}

// errNothing ends a transaction that has nothing to do.
var errNothing = errors.New("nothing is to be removed")

// tidy removes the pieces that are not the snapshot's, and the entries that it stands for. It lets Append in between.
func (j *Journal) tidy(ctx context.Context) error {
	for ctx.Err() == nil {
		j.mu.Lock()
		err := j.write(j.removeSome)
		j.mu.Unlock()
		if errors.Is(err, errNothing) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (j *Journal) removeSome(tx *bbolt.Tx) error {
	var names [][]byte
	cursor := tx.Cursor()
	for name, _ := cursor.Seek([]byte{pieceKind}); name != nil && len(names) < removedAtOnce; name, _ = cursor.Next() {
		at, entry := numberIn(name), name[0] == entryKind
		if entry && at > j.snapshot.at {
			break
		}
		if entry || at != j.snapshot.at {
			names = append(names, bytes.Clone(name))
		}
	}
	if len(names) == 0 {
		return errNothing
	}
	for _, name := range names {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	return j.snapshot.put(tx) // see load
}
