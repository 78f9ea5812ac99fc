package bolt

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// format is the version of what is in the buckets.
const format = 1

// The buckets of the file. Every value begins with the sum of its key and what follows.
var (
	headerBucket  = []byte("header")  // one key, headerBucket again: a header
	piecesBucket  = []byte("pieces")  // a snapshot's number and the piece's index, 8 and 4 bytes: a piece
	entriesBucket = []byte("entries") // an entry's number, 8 bytes: the entry. The bucket's sequence is the last number that was given
)

// innerKey is the only key of an inner bucket. See put.
var innerKey = []byte("v")

// header says which of the pieces are the snapshot.
type header struct {
	at     uint64 // the snapshot stands for all entries up to this one; 0: there is none
	pieces uint32
}

const headerLength = 4 + 8 + 4

func (h header) encode() []byte {
	data := binary.BigEndian.AppendUint32(nil, format)
	data = binary.BigEndian.AppendUint64(data, h.at)
	return binary.BigEndian.AppendUint32(data, h.pieces)
}

func entryKey(at uint64) []byte { return binary.BigEndian.AppendUint64(nil, at) }

func pieceKey(at uint64, index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, at), index)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(key, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, data)
}

func seal(key, data []byte) []byte {
	sealed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), sum(key, data))
	return append(sealed, data...)
}

func unseal(key, sealed []byte) (data []byte, ok bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	data = sealed[4:]
	return data, binary.BigEndian.Uint32(sealed) == sum(key, data)
}

// innerFrom is the length from which a value is put into an inner bucket.
const innerFrom = 4096

// put adds a key that is behind all others. bbolt never splits a page of up to four keys, and writes a page whole, so with long values side by
// side each one would be written several times. In an inner bucket a value has pages of its own.
func put(b *bbolt.Bucket, key, data []byte) error {
	b.FillPercent = 1 // no key comes in between later
	if len(data) < innerFrom {
		return b.Put(key, seal(key, data))
	}
	inner, err := b.CreateBucket(key)
	if err != nil {
		return err
	}
	return inner.Put(innerKey, seal(key, data))
}

// putHeader replaces the header.
func putHeader(tx *bbolt.Tx, h header) error {
	return tx.Bucket(headerBucket).Put(headerBucket, seal(headerBucket, h.encode()))
}

// initialise makes an empty journal.
func initialise(tx *bbolt.Tx) error {
	_, err1 := tx.CreateBucket(headerBucket)
	_, err2 := tx.CreateBucket(piecesBucket)
	_, err3 := tx.CreateBucket(entriesBucket)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return putHeader(tx, header{})
}
