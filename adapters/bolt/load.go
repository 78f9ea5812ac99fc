package bolt

import (
	"bytes"
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
	pages  *pages
	to     ports.Replay
	log    *slog.Logger
	said   time.Time // when the log last said how far it is
	header header
	last   uint64 // the number of the last entry that was read

	pieces  uint32 // given
	entries int    // given
}

// load reads a file. An error that is a damage says that something is not as it was written.
func load(ctx context.Context, file *os.File, to ports.Replay, log *slog.Logger) (*loader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p, err := openPages(file, info.Size())
	if err != nil {
		return nil, err
	}
	l := &loader{name: file.Name(), pages: p, to: to, log: log, said: time.Now()}
	buckets := map[string]element{}
	err = p.walk(p.meta.Root, nil, nil, 0, func(e element) error {
		e.value = bytes.Clone(e.value)
		buckets[string(e.key)] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	parts := []struct {
		bucket []byte
		give   func(key, data []byte) error
	}{{headerBucket, l.readHeader}, {piecesBucket, l.readPiece}, {entriesBucket, l.readEntry}}
	if len(buckets) != len(parts) {
		return nil, damaged("it has %d buckets, and should have %d", len(buckets), len(parts))
	}
	for _, part := range parts {
		err := p.bucket(buckets[string(part.bucket)], func(e element) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return l.unpack(e, part.give)
		})
		if err != nil {
			return nil, err
		}
	}
	if l.pieces != l.header.pieces {
		return nil, damaged("the snapshot has %d pieces, and should have %d", l.pieces, l.header.pieces)
	}
	l.last = max(l.last, l.header.at)
	if last := buckets[string(entriesBucket)].sequence(); l.last != last {
		return nil, damaged("the last entry is %d, and should be %d", l.last, last)
	}
	return l, nil
}

// unpack gives a value that put has written.
func (l *loader) unpack(e element, give func(key, data []byte) error) error {
	if e.bucket {
		count := 0
		err := l.pages.bucket(e, func(inner element) error {
			if count++; count > 1 || inner.bucket || !bytes.Equal(inner.key, innerKey) {
				return damaged("the inner bucket %x is not valid", e.key)
			}
			return l.unpack(element{key: e.key, value: inner.value}, give)
		})
		if err == nil && count == 0 {
			err = damaged("the inner bucket %x is empty", e.key)
		}
		return err
	}
	data, ok := unseal(e.key, e.value)
	if !ok {
		return damaged("the sum of %x is not that of what is there", e.key)
	}
	if time.Since(l.said) >= progressEvery {
		l.said = time.Now()
		l.log.Info("store loading", "pieces", l.pieces, "of", l.header.pieces, "entries", l.entries)
	}
	return give(e.key, data)
}

func (l *loader) readHeader(key, data []byte) error {
	if len(data) >= 4 && binary.BigEndian.Uint32(data) != format {
		return fmt.Errorf("store.dir: %s is of format %d, and this version of zarafa-presence knows format %d; nothing was changed",
			l.name, binary.BigEndian.Uint32(data), format)
	}
	if !bytes.Equal(key, headerBucket) || len(data) != headerLength {
		return damaged("the header is not valid")
	}
	l.header = header{at: binary.BigEndian.Uint64(data[4:]), pieces: binary.BigEndian.Uint32(data[12:])}
	return nil
}

// readPiece gives a piece of the snapshot. Others are what is left of an earlier snapshot, or of one that was interrupted.
func (l *loader) readPiece(key, data []byte) error {
	if len(key) != 12 {
		return damaged("there is a piece %x", key)
	}
	at, index := binary.BigEndian.Uint64(key), binary.BigEndian.Uint32(key[8:])
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
func (l *loader) readEntry(key, data []byte) error {
	if len(key) != 8 {
		return damaged("there is an entry %x", key)
	}
	at := binary.BigEndian.Uint64(key)
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
