package ports

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrUnavailable says that nothing can be written now; the same call may succeed later. Reads still work.
	ErrUnavailable = errors.New("presences cannot be written now")

	// ErrFull says that there are as many users as there may be. Who is there can still be written.
	ErrFull = errors.New("there is no room for another user (store.max_users)")

	// ErrTooLarge says that something is larger than the journal can take at once. The same call will never succeed.
	ErrTooLarge = errors.New("too much to be written at once")
)

// Journal keeps opaque entries in one order and gives every daemon that shares it all of them. It also keeps one snapshot, which
// stands for all entries up to a number. Entries are numbered from 1, without gaps; numbers are never given again, not even after all
// entries were replaced by a snapshot.
//
// Append and Snapshot may be called concurrently with each other and with Follow, once Follow has called CaughtUp.
type Journal interface {
	// Follow gives to the snapshot, then every later entry, own included, until ctx ends. It is called once. What is damaged or of another
	// version is an error, and nothing of it is changed. It returns ctx's error, or why it cannot go on; then nothing of the journal is left
	// running or open, and to is not called any more.
	Follow(ctx context.Context, to Replay) error

	// Append keeps an entry as safely as the journal can. It is never called concurrently with itself. The entry is the caller's again when it
	// returns. nil means that the entry is kept, and is delivered, perhaps before Append returns. ErrUnavailable means that it is surely
	// not kept, and ErrTooLarge that it is longer than Limit. With any other error nobody knows: if it was kept it will be delivered.
	//
	// It returns within a few seconds, also if the journal is not there.
	Append(ctx context.Context, entry []byte) error

	// Snapshot replaces the snapshot by one that stands for all entries up to at, whole or not at all. Entry number at has been delivered. next gives
	// the pieces, and then io.EOF; any other error of it ends the call with that error. A piece is the journal's until next is called again.
	// Pieces of about a megabyte are best: an Append waits at most until one of them is written. Entries up to at need not be kept any longer,
	// except those that another daemon may still have to read. A snapshot that is not newer than the present one changes nothing, and is no
	// error. It is never called concurrently with itself.
	Snapshot(ctx context.Context, at uint64, next func() ([]byte, error)) error

	// Shared reports whether other daemons may write the journal, too. It always returns the same.
	Shared() bool

	// Limit returns the largest entry or piece, in bytes. Once CaughtUp was called it is known. It does not block.
	Limit() int
}

// Replay takes what Journal.Follow gives. Its methods are called one at a time. They copy what they keep, because the bytes are used again, and they
// must not call the journal, which may wait for them.
type Replay interface {
	// Piece takes a piece of the snapshot, which stands for all entries up to at. All pieces come before the first entry, in order. An error
	// ends Follow with it.
	Piece(at uint64, piece []byte) error

	// Entry takes the entry number at. An error ends Follow with it.
	Entry(at uint64, entry []byte) error

	// CaughtUp says that everything has been given that was kept when Follow began. It is called once, before any entry is appended.
	CaughtUp()

	// Behind says that the journal cannot be followed for now: after the given moment other daemons may have written what is not given yet.
	// Only a journal that is shared calls it, after CaughtUp.
	Behind(after time.Time)

	// Abreast follows each Behind, and says that everything has been given that had been kept when the journal could be followed again.
	Abreast()

	// Reset says that what was given so far is void, and all will be given anew. It is never called after CaughtUp.
	Reset()
}
