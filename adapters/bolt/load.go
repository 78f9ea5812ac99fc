package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/zarafa/presence/ports"
)

// progressEvery is how often the log says how far loading is.
const progressEvery = 2 * time.Second

// loader gives what is in a file to a Replay, and checks all of it. It only reads.
type loader struct {
	*pages

	to     ports.Replay
	log    *slog.Logger
	said   time.Time // when the log last said how far it is
	header header
	last   uint64 // the number of the last entry that was read
	newest uint64 // the last transaction of what was read

	pieces  uint32 // given
	entries int    // given
}

// load reads a file. An error that is a damage says that something is not as it was written.
func load(ctx context.Context, file *os.File, to ports.Replay, log *slog.Logger) (*loader, error) {
	p, err := openPages(file)
	if err != nil {
		return nil, err
	}
	l := &loader{pages: p, to: to, log: log, said: time.Now()}
	err = p.walk(p.meta.Root, 0, func(e element) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if string(e.key) == "entries" {
			return l.unknownFormat(1)
		}
		sealed, err := p.valueIn(e)
		if err != nil {
			return err
		}
		return l.take(e.key, sealed)
	})
	switch {
	case err != nil:
		return nil, err
	case l.pieces != l.header.Pieces:
		return nil, damaged("the snapshot has %d pieces, and should have %d", l.pieces, l.header.Pieces)
	case l.newest != p.meta.Txid: // each transaction writes a value
		return nil, damaged("the last transaction is %d, and should be %d", l.newest, p.meta.Txid)
	}
	l.last = max(l.last, l.header.At)
	return l, nil
}

func (l *loader) unknownFormat(found uint32) error {
	return fmt.Errorf("store.dir: %s is of format %d, and this version of zarafa-presence knows format %d; nothing was changed",
		l.file.Name(), found, format)
}

// take takes what put has written. Pieces of another snapshot are what is left of an earlier one, or of one that was interrupted. Entries that the
// snapshot stands for are those that were not removed yet.
func (l *loader) take(name, sealed []byte) error {
	if len(name) != keyLength || len(sealed) < sealLength || binary.BigEndian.Uint32(sealed) != sum(name, sealed) {
		return damaged("the sum of %x is not that of what is there", name)
	}
	if time.Since(l.said) >= progressEvery {
		l.said = time.Now()
		l.log.Info("store loading", "pieces", l.pieces, "of", l.header.Pieces, "entries", l.entries)
	}
	l.newest = max(l.newest, binary.BigEndian.Uint64(sealed[4:]))
	data, at, index := sealed[sealLength:], number(name), binary.BigEndian.Uint32(name[keyLength-4:])
	switch name[0] {
	case headerKind:
		if _, err := binary.Decode(data, binary.BigEndian, &l.header); err != nil {
			return damaged("the header is not valid")
		}
		if l.header.Format != format {
			return l.unknownFormat(l.header.Format)
		}
	case pieceKind:
		if at != l.header.At || at == 0 {
			return nil
		}
		if index != l.pieces {
			return damaged("piece %d of the snapshot is missing", l.pieces)
		}
		l.pieces++
		return l.to.Piece(at, data)
	case entryKind:
		if l.last == 0 && at > l.header.At+1 || l.last > 0 && at != l.last+1 {
			return damaged("the entry before %d is missing", at)
		}
		l.last = at
		if at > l.header.At {
			l.entries++
			return l.to.Entry(at, data)
		}
	}
	return nil
}
