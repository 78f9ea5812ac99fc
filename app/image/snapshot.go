package image

import (
	"encoding/binary"
	"io"

	"github.com/zarafa/presence/domain"
)

// A snapshot's pieces hold records of these kinds. The first record is the state.
const (
	kindState   = iota + 1 // revision, up to where removals are forgotten, number of users, positions of exporters
	kindUser               // a user and all presences
	kindRemoved            // a presence that was removed
)

// Snapshot is an image at one moment, to be rendered in pieces. What is written later is not in it.
type Snapshot struct {
	at        uint64
	revision  domain.Revision
	forgotten domain.Revision
	users     []held
	removed   []heldRemoval
	positions []domain.Position

	begun bool
	piece []byte
}

// held is what was kept of one user. It never changes, so pointers are enough.
type held struct {
	user  *User
	known *domain.Known
}

// heldRemoval is a presence that was removed.
type heldRemoval struct {
	key      Key
	revision domain.Revision
	known    *domain.Known // what is remembered of the user; nil: the user has other presences
}

// Collect takes a snapshot. Nothing can be written meanwhile: it takes some 50 ns and 32 bytes a user.
func (i *Image) Collect() *Snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := &Snapshot{
		at:        i.at,
		revision:  i.Revision(),
		forgotten: domain.Revision(i.removed.forgotten.Load()),
		users:     make([]held, 0, i.users.Size()),
		removed:   make([]heldRemoval, 0, len(i.removed.last)),
		positions: i.allPositions(),
	}
	i.users.Range(func(_ domain.UserID, user *User) bool {
		if known := user.Kept(); known != nil {
			s.users = append(s.users, held{user, known})
		}
		return true
	})
	for k, revision := range i.removed.last {
		known, _ := i.removed.users.Load(k.User)
		s.removed = append(s.removed, heldRemoval{k, revision, known})
	}
	return s
}

// At returns the number of the last entry that is in the snapshot.
func (s *Snapshot) At() uint64 { return s.at }

// Users returns how many users are in the snapshot.
func (s *Snapshot) Users() int { return len(s.users) }

// Next returns the next piece, which holds until the following call, and io.EOF after the last one. A piece is only longer than size, in
// bytes, if a single user needs it.
func (s *Snapshot) Next(size int) ([]byte, error) {
	s.piece = append(s.piece[:0], format)
	if !s.begun {
		s.begun = true
		dst, begin := beginRecord(s.piece)
		dst = append(dst, kindState)
		dst = binary.AppendUvarint(dst, uint64(s.revision))
		dst = binary.AppendUvarint(dst, uint64(s.forgotten))
		dst = binary.AppendUvarint(dst, uint64(len(s.users)))
		dst = appendPositions(dst, s.positions)
		endRecord(dst, begin)
		s.piece = dst
	} else if len(s.users) == 0 && len(s.removed) == 0 {
		return nil, io.EOF
	}
	for (len(s.users) > 0 || len(s.removed) > 0) && s.fits(size) {
		s.appendNext()
	}
	return s.piece, nil
}

// fits reports whether another record can go into the piece.
func (s *Snapshot) fits(size int) bool { return len(s.piece) <= 1 || len(s.piece)+s.nextSize() <= size }

// nextSize returns how many bytes the next record takes, at most.
func (s *Snapshot) nextSize() int {
	const numbers = 96 // more than the numbers and lengths of a presence take, or those of what is remembered of a user
	if len(s.users) == 0 {
		return 2*numbers + domain.MaxUserID + domain.MaxProtocol + domain.MaxDeviceID
	}
	known := s.users[0].known
	size := numbers + len(s.users[0].user.id)
	for i := range known.Presences {
		p := &known.Presences[i]
		size += numbers + len(p.Protocol.String()) + len(p.Device.String()) + len(p.Message)
	}
	if known.Mask != nil {
		size += len(known.Mask.Presences) * (numbers + domain.MaxProtocol)
	}
	return size
}

// appendNext appends the next user, or the next presence that was removed.
func (s *Snapshot) appendNext() {
	dst, begin := beginRecord(s.piece)
	if len(s.users) > 0 {
		known := s.users[0].known
		dst = append(dst, kindUser)
		dst = appendText(dst, string(s.users[0].user.id))
		dst = binary.AppendUvarint(dst, uint64(len(known.Presences)))
		var newest domain.Revision
		for i := range known.Presences {
			dst = appendKept(dst, &known.Presences[i], known.Status)
			newest = max(newest, known.Presences[i].Revision)
		}
		if known.Revision != newest || known.Mask != nil {
			dst = appendMemory(dst, known)
		}
		s.users = s.users[1:]
	} else {
		removal := &s.removed[0]
		dst = append(dst, kindRemoved)
		dst = appendText(dst, string(removal.key.User))
		change := removal.key.removedAt(removal.revision)
		if removal.known == nil {
			dst = appendKept(dst, &change.Presence, 0)
		} else {
			dst = appendKept(dst, &change.Presence, removal.known.Status)
			dst = appendMemory(dst, removal.known)
		}
		s.removed = s.removed[1:]
	}
	endRecord(dst, begin)
	s.piece = dst
}

// appendKept appends a presence with its revision and the user's status revision, as a record of its own.
func appendKept(dst []byte, p *domain.Presence, status domain.Revision) []byte {
	dst, begin := beginRecord(dst)
	dst = binary.AppendUvarint(dst, uint64(p.Revision))
	dst = binary.AppendUvarint(dst, uint64(status))
	dst = appendPresence(dst, p)
	endRecord(dst, begin)
	return dst
}

// The kinds of masks that are remembered of a user.
const (
	noMask = iota
	maskOn
	maskEnded
)

// appendMemory appends what the presences of a user do not say. It came later: an earlier version passes over it.
func appendMemory(dst []byte, known *domain.Known) []byte {
	dst = binary.AppendUvarint(dst, uint64(known.Revision))
	mask, kind := known.Mask, uint64(maskOn)
	if mask == nil {
		return append(dst, noMask)
	}
	if mask.Ended {
		kind = maskEnded
	}
	dst = binary.AppendUvarint(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(mask.Revision))
	dst = binary.AppendUvarint(dst, uint64(len(mask.Presences)))
	for i := range mask.Presences {
		dst = appendKept(dst, &mask.Presences[i], 0)
	}
	return dst
}
