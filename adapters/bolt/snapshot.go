package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
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
		err = j.write(func(tx *bbolt.Tx) error { return put(tx.Bucket(piecesBucket), pieceKey(at, made.pieces), piece) })
		j.mu.Unlock()
		if err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.write(func(tx *bbolt.Tx) error { return putHeader(tx, made) })
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
		err := j.write(func(tx *bbolt.Tx) error {
			pieces, entries := tx.Bucket(piecesBucket), tx.Bucket(entriesBucket)
			before, err1 := remove(pieces, 0, j.snapshot.at)
			after, err2 := remove(pieces, j.snapshot.at+1, 1<<64-1)
			replaced, err3 := remove(entries, 0, j.snapshot.at+1)
			if err := errors.Join(err1, err2, err3); err != nil || before+after+replaced > 0 {
				return err
			}
			return errNothing
		})
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

// remove removes keys that put has added whose numbers are at least from, and below to. It returns how many.
func remove(b *bbolt.Bucket, from, to uint64) (int, error) {
	var keys [][]byte
	cursor := b.Cursor()
	for key, _ := cursor.Seek(entryKey(from)); key != nil && len(keys) < removedAtOnce && binary.BigEndian.Uint64(key) < to; key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		removing := b.Delete
		if b.Get(key) == nil { // it is an inner bucket
			removing = b.DeleteBucket
		}
		if err := removing(key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
