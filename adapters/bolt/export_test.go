package bolt

import (
	"encoding/binary"
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// WriteFormat makes a file one of another format.
func WriteFormat(t *testing.T, file string, version uint32) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, options(nil))
	if err != nil {
		t.Fatal(err)
	}
	header := binary.BigEndian.AppendUint32(nil, version)
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(headerBucket, seal(headerBucket, header)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
