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
	name   string // of the file
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
func load(ctx context.Context, file *os.File, to ports.Replay, log *slog.Logger) (*loader, *pages, error) {
	p, err := openPages(file)
	if err != nil {
		return nil, nil, err
	}
	l := &loader{name: file.Name(), to: to, log: log, said: time.Now()}
	err = p.walk(p.meta.Root, nil, nil, 0, func(e element) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if string(e.key) == "entries" {
			return l.otherFormat(1)
		}
		sealed, err := p.valueIn(e)
		if err != nil {
			return err
		}
		return l.take(e.key, sealed)
	})
	if err != nil {
		return nil, nil, err
	}
	if l.pieces != l.header.pieces {
		return nil, nil, damaged("the snapshot has %d pieces, and should have %d", l.pieces, l.header.pieces)
	}
	if l.newest != p.meta.Txid { // each transaction writes a value
		return nil, nil, damaged("it is of transaction %d, and what is in it of %d", p.meta.Txid, l.newest)
	}
	l.last = max(l.last, l.header.at)
	return l, p, nil
}

// take takes a value that put has written.
func (l *loader) take(name, sealed []byte) error {
	data, txid, err := unseal(name, sealed)
	if err != nil {
		return err
	}
	if len(name) != keyLength {
		return damaged("there is a value %x", name)
	}
	if time.Since(l.said) >= progressEvery {
		l.said = time.Now()
		l.log.Info("store loading", "pieces", l.pieces, "of", l.header.pieces, "entries", l.entries)
	}
	l.newest = max(l.newest, txid)
	switch name[0] {
	case headerKind:
		return l.readHeader(data)
	case pieceKind:
		return l.readPiece(numberIn(name), binary.BigEndian.Uint32(name[9:]), data)
	case entryKind:
		return l.readEntry(numberIn(name), data)
	}
	return damaged("there is a value %x", name)
}

func (l *loader) otherFormat(found uint32) error {
	return fmt.Errorf("store.dir: %s is of format %d, and this version of zarafa-presence knows format %d; nothing was changed", l.name, found, format)
}

func (l *loader) readHeader(data []byte) error {
	if len(data) >= 4 && binary.BigEndian.Uint32(data) != format {
		return l.otherFormat(binary.BigEndian.Uint32(data))
	}
	if len(data) != headerLength {
		return damaged("the header is not valid")
	}
	l.header = header{at: binary.BigEndian.Uint64(data[4:]), pieces: binary.BigEndian.Uint32(data[12:])}
	return nil
}

// readPiece gives a piece of the snapshot. Others are what is left of an earlier snapshot, or of one that was interrupted.
func (l *loader) readPiece(at uint64, index uint32, data []byte) error {
	if at != l.header.at || l.header.at == 0 {
		return nil
	}
	if index != l.pieces {
		return damaged("piece %d of the snapshot is missing", l.pieces)
	}
	l.pieces++
	return l.to.Piece(at, data)
}

// readEntry gives an entry that the snapshot does not stand for. Others are those that were not removed yet.
func (l *loader) readEntry(at uint64, data []byte) error {
	if l.last == 0 && at > l.header.at+1 || l.last > 0 && at != l.last+1 {
		return damaged("the entry before %d is missing", at)
	}
	l.last = at
	if at <= l.header.at {
		return nil
	}
	l.entries++
	return l.to.Entry(at, data)
}
