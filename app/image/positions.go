package image

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/zarafa/presence/domain"
)

// Positions say up to where each exporter has told everything. They stand at the end of an entry's header, and at the end of a snapshot's state: later
// members of records that an earlier version passes over.

// maxPositions is how many are remembered: names come and go with the configuration.
const maxPositions = 1000

// appendPositions appends the later member, if there are any positions.
func appendPositions(dst []byte, positions []domain.Position) []byte {
	if len(positions) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(positions)))
	for _, p := range positions {
		var begin int
		dst, begin = beginRecord(dst)
		dst = appendText(dst, p.Name)
		dst = binary.LittleEndian.AppendUint64(dst, p.Settings)
		dst = binary.AppendUvarint(dst, uint64(p.Revision))
		endRecord(dst, begin)
	}
	return dst
}

// PositionSize is how much longer a position makes an entry, at most, in bytes.
const PositionSize = 64 + domain.MaxExporterName

// positions reads what appendPositions has written, if it is there.
func (d *decoder) positions() (positions []domain.Position) {
	if len(d.rest) == 0 || d.failed {
		return nil
	}
	for n := d.number(); n > 0 && !d.failed; n-- {
		after := d.record()
		p := domain.Position{Exporter: domain.Exporter{Name: string(d.text()), Settings: uint64(d.time())}, Revision: d.revision()} //nolint:gosec // the bits are kept
		d.end(after)
		positions = append(positions, p)
	}
	return positions
}

// place takes positions over. If that makes too many it forgets those with the smallest revisions. The lock is held.
func (i *Image) place(positions []domain.Position) {
	for _, p := range positions {
		if i.positions == nil {
			i.positions = make(map[string]domain.Position)
		}
		i.positions[p.Name] = p
	}
	for len(i.positions) > maxPositions {
		delete(i.positions, i.allPositions()[0].Name)
	}
}

// allPositions lists the positions in the order of their revisions. The lock is held.
func (i *Image) allPositions() []domain.Position {
	all := make([]domain.Position, 0, len(i.positions))
	for _, p := range i.positions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b domain.Position) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Position returns up to where an exporter has told everything: zero if it has not told anything yet, or had other settings then.
func (i *Image) Position(of domain.Exporter) domain.Revision {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.positions[of.Name]; p.Exporter == of {
		return p.Revision
	}
	return 0
}
