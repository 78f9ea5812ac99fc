package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zarafa/presence/domain"
)

// The format of journal entries and snapshot pieces. Both begin with a byte that is the format's number; a daemon that meets another number
// does not start. After it come records, each behind its length in four bytes, so that a record can take further members at its
// end: a version that does not know them passes over them. Other numbers are uvarints, times have eight bytes, texts stand behind their
// length. Bytes are in little-endian order.
const format = 1

var (
	errFormat = errors.New("it is of another version of zarafa-presence")
	errRecord = errors.New("it is damaged")
)

// record is a presence as it stands in an entry or a piece.
type record struct {
	user     domain.UserID
	message  []byte // shares the memory of what it was read from
	presence domain.Presence
	change   change
	expected expectation
}

// change says what a write is for watchers. Who plans the write decides it, so that applying needs no rule of the domain.
type change uint64

const (
	renewal      change = iota // nothing that a watcher has to be told
	changed                    // a change, but not of the status
	statusChange               // a change that somebody who may see the status alone can see
)

// changeOf returns what the step from one presence to the next is. A presence without revision is none.
func changeOf(old, next domain.Presence) change {
	switch {
	case old.Revision == 0 || old.DiffersInStatus(next):
		return statusChange
	case old.Differs(next):
		return changed
	default:
		return renewal
	}
}

// expectation is what a write expects to replace, zeros for nothing. Everything that makes a change moves the revision, and a renewal moves
// the other two, so presences that are equal in all three are equal.
type expectation struct {
	revision domain.Revision
	updated  domain.Timestamp
	expires  domain.Timestamp
}

func expectationOf(p domain.Presence) expectation {
	return expectation{p.Revision, p.Updated, p.Expires}
}

// The bits of a record's flags above the two of the status.
const (
	flagStale = 4 << iota
	flagFixed
	flagVanishes
	flagRemoved
)

// appendPresence appends what a presence says, without its user.
func appendPresence(dst []byte, p *domain.Presence) []byte {
	dst = appendText(dst, p.Protocol.String())
	dst = appendText(dst, p.Device.String())
	flags := uint64(p.Status)
	for _, flag := range [...]struct {
		set bool
		bit uint64
	}{{p.Stale, flagStale}, {p.Fixed, flagFixed}, {p.Vanishes, flagVanishes}, {p.Removed, flagRemoved}} {
		if flag.set {
			flags |= flag.bit
		}
	}
	dst = binary.AppendUvarint(dst, flags)
	dst = appendTime(appendTime(appendTime(dst, p.Since), p.Updated), p.Expires)
	dst = appendText(dst, p.Message)
	if p.Activity == domain.NoActivity && p.IdleSince.IsZero() && !p.Invisible {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(p.Activity)) // this and what follows are later members: an earlier version passes over them
	if p.IdleSince.IsZero() && !p.Invisible {
		return dst
	}
	dst = appendTime(dst, p.IdleSince)
	if !p.Invisible {
		return dst
	}
	return binary.AppendUvarint(dst, laterInvisible)
}

// laterInvisible is a bit of the flags that came later.
const laterInvisible = 1

// presence reads what appendPresence has written.
func (d *decoder) presence(r *record) {
	r.presence.Protocol = d.protocol()
	r.presence.Device = d.device()
	flags := d.number()
	r.presence.Status = domain.Status(flags & 3)
	r.presence.Stale, r.presence.Fixed = flags&flagStale != 0, flags&flagFixed != 0
	r.presence.Vanishes, r.presence.Removed = flags&flagVanishes != 0, flags&flagRemoved != 0
	if flags >= flagRemoved<<1 {
		d.failed = true
	}
	r.presence.Since, r.presence.Updated, r.presence.Expires = d.time(), d.time(), d.time()
	r.message = d.text()
	if len(d.rest) == 0 || d.failed {
		return
	}
	if activity := domain.Activity(d.number()); activity.Known() { //nolint:gosec // what is too large is not known
		r.presence.Activity = activity
	}
	if len(d.rest) > 0 {
		r.presence.IdleSince = d.time()
	}
	if len(d.rest) > 0 {
		r.presence.Invisible = d.number()&laterInvisible != 0
	}
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func appendTime(dst []byte, t domain.Timestamp) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t)) //nolint:gosec // the bits are kept
}

// beginRecord leaves room for the length of a record, which endRecord fills in.
func beginRecord(dst []byte) (_ []byte, begin int) { return append(dst, 0, 0, 0, 0), len(dst) }

func endRecord(dst []byte, begin int) {
	binary.LittleEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-lengthSize)) //nolint:gosec // a record has some kilobytes
}

const lengthSize = 4

// decoder reads records. After a fault everything that it reads is zero, and failed is set. It remembers the names that it has met, which are
// few.
type decoder struct {
	rest      []byte
	failed    bool
	protocols map[string]domain.Protocol

	records []record // of an entry
	groups  [][]record
}

// begin starts to read an entry or a piece.
func (d *decoder) begin(from []byte) error {
	d.failed = false
	if d.protocols == nil {
		d.protocols = make(map[string]domain.Protocol)
	}
	if len(from) == 0 {
		return errRecord
	}
	if from[0] != format {
		return fmt.Errorf("%w: its format has the number %d, this version knows %d", errFormat, from[0], format)
	}
	d.rest = from[1:]
	return nil
}

// record begins to read the next record, and returns what follows it.
func (d *decoder) record() (after []byte) {
	if len(d.rest) < lengthSize {
		d.failed, d.rest = true, nil
		return nil
	}
	length, rest := binary.LittleEndian.Uint32(d.rest), d.rest[lengthSize:]
	if uint64(length) > uint64(len(rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	d.rest = rest[:length]
	return rest[length:]
}

// end ends the reading of a record: members of a later version are passed over.
func (d *decoder) end(after []byte) { d.rest = after }

func (d *decoder) number() uint64 {
	n, length := binary.Uvarint(d.rest)
	if length <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[length:]
	return n
}

func (d *decoder) revision() domain.Revision { return domain.Revision(d.number()) }

func (d *decoder) time() domain.Timestamp {
	if len(d.rest) < 8 {
		d.failed, d.rest = true, nil
		return 0
	}
	t := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return domain.Timestamp(t) //nolint:gosec // the bits are kept
}

// text returns a text that shares the memory of what is read.
func (d *decoder) text() []byte {
	length := d.number()
	if length > uint64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	text := d.rest[:length:length]
	d.rest = d.rest[length:]
	return text
}

func (d *decoder) protocol() domain.Protocol {
	name := d.text()
	protocol, known := d.protocols[string(name)]
	if known || d.failed {
		return protocol
	}
	protocol, err := domain.ParseProtocol(string(name))
	if err != nil {
		d.failed = true
		return protocol
	}
	d.protocols[protocol.String()] = protocol
	return protocol
}

func (d *decoder) device() domain.DeviceID {
	name := d.text()
	if len(name) == 0 {
		return domain.DeviceID{}
	}
	device, err := domain.ParseDeviceID(string(name))
	d.failed = d.failed || err != nil
	return device
}
