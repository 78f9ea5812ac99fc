package bolt

import (
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
	err = db.Update(header{Format: version}.put)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// CreateEarlier makes a file of format 1, with what a start with that format looked at.
func CreateEarlier(t *testing.T, file string) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, options(nil))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"header", "pieces", "entries"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
