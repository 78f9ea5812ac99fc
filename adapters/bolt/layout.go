package bolt

import (
	"encoding/binary"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// format is the version of what is in the file. In format 1 there were three buckets with a key for each value.
const format = 2

// The kinds of values, in the order in which a start reads them.
const (
	headerKind = 1 + iota // one: a header
	pieceKind             // a piece of a snapshot, by the snapshot's number and the piece's index
	entryKind             // an entry, by its number
)

const keyLength = 1 + 8 + 4

// key is a kind, a number and an index.
func key(kind byte, at uint64, index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{kind}, at), index)
}

// number returns the number in a key.
func number(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// header says which of the pieces are the snapshot.
type header struct {
	Format uint32
	At     uint64 // the snapshot stands for all entries up to this one; 0: there is none
	Pieces uint32
}

// put replaces the header.
func (h header) put(tx *bbolt.Tx) error {
	data, _ := binary.Append(nil, binary.BigEndian, h) // it never fails for a fixed size
	return put(tx, key(headerKind, 0, 0), data)
}

// valueKey is the only key of a bucket. See put.
var valueKey = []byte("v")

// put adds a value, or replaces it. Each value is in a bucket of its own: bbolt keeps a short one beside the bucket's name, and gives a long one
// pages of its own. As a plain key a long value would be written again with each of the next ones: bbolt never splits a page of up to four keys.
func put(tx *bbolt.Tx, key, data []byte) error {
	tx.Cursor().Bucket().FillPercent = 1 // hardly any key comes in between later
	b, err := tx.CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	return b.Put(valueKey, seal(key, uint64(tx.ID()), data)) //nolint:gosec // it is not negative
}

const sealLength = 4 + 8

// seal puts a sum (of the key and what follows, CRC-32C) and the transaction's number before a value.
func seal(key []byte, txid uint64, data []byte) []byte {
	sealed := append(binary.BigEndian.AppendUint64(make([]byte, 4, sealLength+len(data)), txid), data...)
	binary.BigEndian.PutUint32(sealed, sum(key, sealed))
	return sealed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(key, sealed []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, sealed[4:])
}
