package image

import (
	"encoding/binary"
	"strings"

	"github.com/zarafa/presence/domain"
)

// Write replaces what one device of a user says on a protocol, provided that nobody else has done so meanwhile.
type Write struct {
	User domain.UserID
	Old  domain.Presence // as it was read; if there was none, its zero value with only Protocol and Device set
	New  domain.Presence // of the same protocol and device; its revision is given when it is applied
}

// Key names the presence that is written.
func (w *Write) Key() Key { return KeyOf(w.User, &w.New) }

// Header is what an entry says of itself.
type Header struct {
	Origin   uint64          // tells the daemons apart that share a journal
	Number   uint64          // tells the entries of one daemon apart
	Revision domain.Revision // the image's revision becomes this one if it is smaller

	Positions []domain.Position // up to where exporters have told everything
}

// AppendHeader begins an entry. Any number of groups follow it.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, format)
	dst, begin := beginRecord(dst)
	dst = binary.AppendUvarint(dst, h.Origin)
	dst = binary.AppendUvarint(dst, h.Number)
	dst = binary.AppendUvarint(dst, uint64(h.Revision))
	dst = appendPositions(dst, h.Positions)
	endRecord(dst, begin)
	return dst
}

// AppendGroup appends writes that take effect together or not at all, at most one for each presence.
func AppendGroup(dst []byte, writes []Write) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(writes)))
	for i := range writes {
		dst = appendWrite(dst, &writes[i])
	}
	return dst
}

func appendWrite(dst []byte, w *Write) []byte {
	expected := expectationOf(w.Old)
	dst, begin := beginRecord(dst)
	dst = appendText(dst, string(w.User))
	dst = binary.AppendUvarint(dst, uint64(changeOf(w.Old, w.New)))
	dst = binary.AppendUvarint(dst, uint64(expected.revision))
	dst = appendTime(appendTime(dst, expected.updated), expected.expires)
	dst = appendPresence(dst, &w.New)
	endRecord(dst, begin)
	return dst
}

// Holds reports whether what a write expects to replace is there. It also returns the user's id in memory that stays as it is.
func (i *Image) Holds(w *Write) (id domain.UserID, holds bool) {
	user := i.User(w.User)
	if user == nil {
		return domain.UserID(strings.Clone(string(w.User))), expectationOf(w.Old) == expectation{}
	}
	now, _ := user.Presences().Of(w.New.Protocol, w.New.Device)
	return user.id, expectationOf(now) == expectationOf(w.Old)
}

// Apply carries out an entry, whose number is at, and returns its header and whether each group took effect. It depends on nothing but the
// entry, the image and the precedence (Prefer), so all daemons that apply the same entries have the same image. An entry that is damaged, or of
// another version, is an error, and changes nothing. The slice is used again by the next call.
func (i *Image) Apply(at uint64, entry []byte) (h Header, applied []bool, err error) {
	h, groups, err := i.decoder.entry(entry)
	if err != nil {
		return h, nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = at
	i.place(h.Positions)
	if h.Revision > i.Revision() {
		i.revision.Store(uint64(h.Revision))
		i.removed.forget(h.Revision)
	}
	i.applied = i.applied[:0]
	for _, group := range groups {
		i.applied = append(i.applied, i.applyGroup(group))
	}
	return h, i.applied, nil
}

// entry reads an entry. The groups are used again by the next call.
func (d *decoder) entry(entry []byte) (h Header, groups [][]record, err error) {
	if err := d.begin(entry); err != nil {
		return h, nil, err
	}
	after := d.record()
	h = Header{Origin: d.number(), Number: d.number(), Revision: d.revision()}
	h.Positions = d.positions()
	d.end(after)
	if cap(d.records) > keptRecords {
		d.records = nil
	}
	d.records, d.groups = d.records[:0], d.groups[:0]
	for len(d.rest) > 0 && !d.failed {
		first := len(d.records)
		for n := d.number(); n > 0 && !d.failed; n-- {
			d.records = append(d.records, d.write())
		}
		d.groups = append(d.groups, d.records[first:])
	}
	if d.failed {
		return h, nil, errRecord
	}
	return h, d.groups, nil
}

// keptRecords is for how many records a decoder keeps memory.
const keptRecords = 4096

// write reads what appendWrite has written.
func (d *decoder) write() record {
	after := d.record()
	r := record{user: d.user(), change: change(d.number())}
	r.expected = expectation{revision: d.revision(), updated: d.time(), expires: d.time()}
	d.presence(&r)
	d.failed = d.failed || r.change > statusChange
	d.end(after)
	return r
}

// applyGroup applies a group if all that it expects is there. The lock is held.
func (i *Image) applyGroup(group []record) bool {
	for at := range group {
		r := &group[at]
		var presences domain.Presences
		if user := i.User(r.user); user != nil { // whose id is in memory already
			r.user, presences = user.id, user.Presences()
		}
		old, _ := presences.Of(r.presence.Protocol, r.presence.Device)
		if expectationOf(old) != r.expected {
			return false
		}
		r.presence.Revision = old.Revision
		if r.presence.Message = old.Message; old.Message != string(r.message) {
			r.presence.Message = string(r.message)
		}
	}
	for at := range group {
		i.applyRecord(&group[at])
	}
	return true
}

// applyRecord makes a record visible. The lock is held.
func (i *Image) applyRecord(r *record) {
	p := r.presence
	if p.Removed && p.Revision == 0 {
		return // it is not there
	}
	if r.change == renewal {
		i.put(r.user, p, false)
		return
	}
	p.Revision = i.Revision() + 1
	i.put(r.user, p, true)
	i.announce(r.user, p)
}

// At returns the number of the last entry that was applied.
func (i *Image) At() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.at
}
