package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/zarafa/presence/ports"
)

// removedAtOnce is how many values are removed in one transaction, so that Append waits for some milliseconds only.
const removedAtOnce = 500

// Snapshot implements ports.Journal. Each piece is written in a transaction of its own, then one more makes them the snapshot. What is not needed any
// longer is removed afterwards. If that is interrupted the next call does it.
func (j *Journal) Snapshot(ctx context.Context, at uint64, next func() ([]byte, error)) error {
	if err := j.tidy(ctx); err != nil || at <= j.snapshot.At {
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
	made := header{Format: format, At: at}
	for ; ; made.Pieces++ {
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
		err = j.write(ctx, func(tx *bbolt.Tx) error { return put(tx, key(pieceKind, at, made.Pieces), piece) }, func() {})
		if err != nil {
			return err
		}
	}
	return j.write(ctx, made.put, func() { j.snapshot = made })
}

// tidy removes the pieces that are not the snapshot's, and the entries that it stands for. It lets Append in between.
func (j *Journal) tidy(ctx context.Context) (err error) {
	for removed := removedAtOnce; removed == removedAtOnce && err == nil; {
		err = j.write(ctx, func(tx *bbolt.Tx) (err error) {
			removed, err = j.removeSome(tx)
			return err
		}, func() {})
	}
	return err
}

// removeSome is a transaction of tidy. It returns how many values it has removed.
func (j *Journal) removeSome(tx *bbolt.Tx) (int, error) {
	var names [][]byte
	cursor := tx.Cursor()
	for name, _ := cursor.Seek([]byte{pieceKind}); name != nil && len(names) < removedAtOnce; name, _ = cursor.Next() {
		at, entry := number(name), name[0] == entryKind
		if entry && at > j.snapshot.At {
			break
		}
		if entry || at != j.snapshot.At {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := tx.DeleteBucket(name); err != nil {
			return 0, err
		}
	}
	return len(names), j.snapshot.put(tx) // see load: each transaction writes a value
}
