package nats

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/zarafa/presence/domain"
)

// An entry is a message of the journal: a line with the format and the origin, and then records. Those that begin with roleFirst are the
// first of a group, which is what one call of Apply writes: all of it or nothing, namely if each presence still is of the version
// that its record names.
//
//	zarafa-presence-1 4tYk2.17
//	+spreed/markd@zarafa.com 0 busy ...
const entryFormat = "zarafa-presence-1"

// maxRecords is how many records an entry has at most, so that each has a number of its own.
const maxRecords = 1 << positionBits

// positionBits is how much of a version or a revision is a record's place in its entry; what is above is the entry's number in the
// journal. So both grow from record to record, and are the same in every daemon.
const positionBits = 16

// versionOf returns the version that the record at a place of an entry makes.
func versionOf(sequence uint64, place int) uint64 {
	return sequence<<positionBits | uint64(place) //nolint:gosec // a place is not negative
}

// headerSize is about how much appendHeader appends, and not less.
const headerSize = 80

// appendHeader begins an entry.
func appendHeader(dst []byte, origin string) []byte {
	dst = append(append(dst, entryFormat...), ' ')
	return append(append(dst, origin...), '\n')
}

var errEntry = errors.New("not an entry of the journal")

// parseEntry reads an entry, and calls group with each group in it, in order, and the place of its first record.
func parseEntry(entry []byte, group func(first int, records []record)) (origin string, err error) {
	header, rest, _ := bytes.Cut(entry, []byte("\n"))
	format, from, found := bytes.Cut(header, []byte(" "))
	if string(format) != entryFormat || !found {
		return "", fmt.Errorf("%w of format %s: %.40q", errEntry, entryFormat, header)
	}
	var all []record
	for len(rest) > 0 {
		var r record
		if r, rest, err = parseRecord(rest); err != nil {
			return "", fmt.Errorf("%w: %w", errEntry, err)
		}
		if r.role != roleFirst && (r.role != roleFurther || len(all) == 0) {
			return "", fmt.Errorf("%w: a record with the role %q", errEntry, r.role)
		}
		all = append(all, r)
	}
	if len(all) > maxRecords {
		return "", fmt.Errorf("%w: %d records, at most %d are possible", errEntry, len(all), maxRecords)
	}
	for first := 0; first < len(all); {
		end := first + 1
		for end < len(all) && all[end].role == roleFurther {
			end++
		}
		group(first, all[first:end])
		first = end
	}
	return string(from), nil
}

// apply makes a group of records visible if all of them are based on what is there. It reports whether they were. The replica's lock
// is held.
func (s *Store) apply(sequence uint64, first int, records []record) bool {
	for i := range records {
		if s.Find(records[i].user, records[i].presence.Protocol).Version != records[i].version {
			return false
		}
	}
	for i := range records {
		s.show(&records[i], versionOf(sequence, first+i))
	}
	return true
}

// show makes a record visible. Without a revision it is a change, which gets one. The replica's lock is held.
func (s *Store) show(r *record, version uint64) {
	p := r.presence
	if p.Revision == 0 || p.Removed {
		p.Revision = domain.Revision(version)
	}
	s.PutVersion(r.user, p, version)
}
