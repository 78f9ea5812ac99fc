package image_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

var crm = domain.Exporter{Name: "webhook:crm", Settings: 1<<63 + 5}

// place appends positions as an entry.
func (j *journal) place(t testing.TB, positions ...domain.Position) {
	t.Helper()
	entry := image.AppendHeader(nil, image.Header{Origin: 7, Number: uint64(len(j.entries) + 1), Positions: positions})
	j.entries = append(j.entries, entry)
	if _, _, err := j.Apply(uint64(len(j.entries)), entry); err != nil {
		t.Fatal(err)
	}
}

// A position is what was written last, in every daemon, and after a start from a snapshot; for other settings there is none.
func TestPositions(t *testing.T) {
	j := newJournal()
	j.set(t, numbered(1), web, "", domain.Busy, "", moment)
	j.place(t, domain.Position{Exporter: crm, Revision: 5}, domain.Position{Exporter: domain.Exporter{Name: "webhook:wiki"}, Revision: 9})
	j.place(t, domain.Position{Exporter: crm, Revision: 7})
	at, pieces := j.snapshot(t, 1000)
	for name, img := range map[string]*image.Image{"applied": j.Image, "from entries": load(t, 0, nil, j.entries), "from a snapshot": load(t, at, pieces, nil)} {
		other := crm
		other.Settings++
		if img.Position(crm) != 7 || img.Position(domain.Exporter{Name: "webhook:wiki"}) != 9 || img.Position(other) != 0 || img.Revision() != 1 || img.Users() != 1 {
			t.Errorf("%s: crm %d, of other settings %d, revision %d", name, img.Position(crm), img.Position(other), img.Revision())
		}
	}
	j.Reset()
	if got := j.Position(crm); got != 0 {
		t.Errorf("after Reset: %d", got)
	}
}

// Names that come and go for ever make nothing grow.
func TestPositionsAreBounded(t *testing.T) {
	j := newJournal()
	named := func(i int) domain.Exporter { return domain.Exporter{Name: fmt.Sprintf("webhook:%d", i)} }
	for i := range 1100 {
		j.place(t, domain.Position{Exporter: named(i), Revision: domain.Revision(i + 1)})
	}
	if first, last := j.Position(named(99)), j.Position(named(1099)); first != 0 || last != 1100 || j.Position(named(100)) != 101 {
		t.Errorf("after 1100 names: %d, %d", first, last)
	}
}

// before is a reader of the version that knew no positions: it reads the members that it knows of a record, and passes over the rest.
type before struct{ rest []byte }

func (b *before) record() before {
	length := binary.LittleEndian.Uint32(b.rest)
	record := before{b.rest[4 : 4+length]}
	b.rest = b.rest[4+length:]
	return record
}

func (b *before) number() uint64 {
	n, length := binary.Uvarint(b.rest)
	b.rest = b.rest[length:]
	return n
}

// The version before reads what this one writes as if there were no positions, so one can go back to it.
func TestTheVersionBeforePassesOverPositions(t *testing.T) {
	j := newJournal()
	j.set(t, numbered(1), web, "", domain.Busy, "", moment)
	_, without := j.snapshot(t, 1000)
	plain := j.entries[0]
	header := image.Header{Origin: 7, Number: 1, Positions: []domain.Position{{Exporter: crm, Revision: 7}}}
	j.place(t, header.Positions...)
	_, with := j.snapshot(t, 1000)

	read := before{image.AppendHeader(nil, header)[1:]}
	record := read.record()
	if origin, number, revision := record.number(), record.number(), record.number(); origin != 7 || number != 1 || revision != 0 || len(read.rest) > 0 {
		t.Errorf("it reads the header as %d, %d, %d, and then %x", origin, number, revision, read.rest)
	}
	entry := append(image.AppendHeader(nil, header), plain[len(image.AppendHeader(nil, image.Header{Origin: 7, Number: 1})):]...)
	if img := load(t, 0, nil, [][]byte{entry}); img.Users() != 1 || img.Position(crm) != 7 {
		t.Errorf("an entry with a position and a group makes %d users, position %d", img.Users(), img.Position(crm))
	}

	left, right := before{without[0][1:]}, before{with[0][1:]}
	first, second := left.record(), right.record()
	if !slices.Equal(first.rest, second.rest[:len(first.rest)]) || len(second.rest) == len(first.rest) || !slices.Equal(left.rest, right.rest) {
		t.Errorf("the state is %x without, and %x with a position; what follows is %x and %x", first.rest, second.rest, left.rest, right.rest)
	}
}
